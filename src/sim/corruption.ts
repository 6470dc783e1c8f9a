import { readImages, walk } from '../storage/journal-images.js';
import { lengthAt, sequenceAt, W_SYNCED } from '../storage/record.js';
import type { SimFile } from './journal-directory.js';
import type { World } from './world.js';

/**
 * A bit of one record changes on the disk of a virtual node, in its engine or in its journal. False if there is
 * none of which the product can know: the end of a journal looks the same whether its last records are
 * damaged or were never written, so in a journal it is a record that a later one says was synced.
 */
export function corruptRecord(world: World, vnode: number): boolean {
  const { random } = world;
  const [first, second] = random.chance(0.5) ? [inEngine, inJournal] : [inJournal, inEngine];
  return first(world, vnode) || second(world, vnode);
}

function inEngine(world: World, vnode: number): boolean {
  const { random, machine } = world;
  const { engine } = machine.vnodes[vnode]!;
  if (engine.rows.size === 0) return false;
  const name = random.pick([...engine.rows.keys()]);
  const byte = random.below(engine.rows.get(name)!.record.length);
  world.note(`byte ${byte} of a record of ${name} changes in the engine of vnode ${vnode}`);
  world.lose(vnode, () => {
    engine.damage(name, byte, random.below(8));
    return false;
  });
  return true;
}

function inJournal(world: World, vnode: number): boolean {
  const { random, machine } = world;
  const { journal, engine } = machine.vnodes[vnode]!;
  const found = [...journal.files.values()].flatMap((file) => provable(file, engine.state.confirmedSerial));
  if (found.length === 0) return false;
  const { file, at, length } = random.pick(found);
  const byte = at + random.below(length);
  world.note(`byte ${byte} of file ${file.name} changes in the journal of vnode ${vnode}`);
  file.damage(byte, random.below(8));
  return true;
}

/** Records of a file that the engine does not have yet, and of which later ones on the disk say that they were synced. */
function provable(
  file: SimFile,
  confirmed: number,
): { readonly file: SimFile; readonly at: number; readonly length: number }[] {
  // What says that it was synced must be whole itself.
  if (file.damaged) return [];
  const { images } = readImages(
    [{ name: file.name, bytes: file.bytes, read: () => file.stableContents() }],
    file.name,
    0,
  );
  const records: { at: number; length: number; sequence: number }[] = [];
  let synced = 0;
  for (const image of images) {
    if (image.header.serial <= confirmed) continue;
    walk(image, ({ words }, at) => {
      records.push({ at: at * 4, length: lengthAt(words, at), sequence: sequenceAt(words, at) });
      synced = words[at + W_SYNCED]! >>> 0;
    });
  }
  return records
    .filter(({ sequence }) => synced !== 0 && ((synced - sequence) | 0) >= 0)
    .map(({ at, length }) => ({ file, at, length }));
}
