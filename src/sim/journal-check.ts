import { WRITTEN } from '../storage/buffer-layout.js';
import { lengthAt, sequenceAt } from '../storage/record.js';
import type { World } from './world.js';

/**
 * What the engine does not have yet stands in a file of the journal, as far as it is written: a process that
 * ended now would lose nothing of it. Byte for byte, as the journal's own scrub compares the two.
 */
export function checkJournals(world: World): void {
  if (!world.process.dead) for (const vnode of world.process.members) checkJournal(world, vnode);
}

function checkJournal(world: World, vnode: number): void {
  const thread = world.process.threads[vnode];
  const { machine } = world;
  // While it is written anew nothing new counts as written, and the old files are there still.
  if (thread?.node === undefined || thread.journal.health !== 'healthy' || machine.gone.has(vnode)) return;
  const files = [...machine.vnodes[vnode]!.journal.files.values()];
  if (files.some(({ damaged }) => damaged)) return;
  const view = world.view(vnode);
  const written = view.position(WRITTEN);
  const { words } = view;
  const bytes = new Uint8Array(words.buffer);
  for (const { start, first, end } of view.logSegments()) {
    let last = first;
    while (last < end && sequenceAt(words, last) <= written) last += lengthAt(words, last) >>> 2;
    if (last === first) continue;
    const image = bytes.subarray(start, last * 4);
    if (files.some((file) => file.beginsWith(image))) continue;
    world.violation(
      `virtual node ${vnode} has written up to ${written}, and no file of its journal has what the engine lacks from ${sequenceAt(words, first)} on`,
    );
    return;
  }
}
