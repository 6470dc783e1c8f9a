import { RingletError } from '../base/errors.js';
import type { Memory } from '../base/memory.js';
import { sync } from '../versions/dvvs.js';
import type { Engine, EngineMark } from './engine.js';
import type { ExistingJournalFile } from './journal-files.js';
import {
  cutShort,
  type Headless,
  type Image,
  readImages,
  refuseHole,
  visitAfter,
  visitHeadless,
  walk,
} from './journal-images.js';
import {
  aligned,
  bucketAt,
  HINT_BUCKET,
  keyAt,
  keyLengthAt,
  isTombstone,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  partitionAt,
  sealHead,
  sequenceAt,
  verifyRecord,
  W_GENERATION,
  W_KEY_HASH,
  W_SYNCED,
} from './record.js';
import { compareClocks, decodeClock, encodeRecord } from './record-codec.js';

export interface Recovered {
  /** Records replayed into the engine. */
  readonly records: number;
  readonly lastSequence: number;
  readonly lastSerial: number;
  readonly lastGeneration: number;
}

interface Place {
  readonly memory: Memory;
  readonly at: number;
}

/** The newest record of a key. */
interface Newest extends Place {
  /** The newest one, this or an earlier one, that says that the key was removed. */
  readonly removal: Place | undefined;
}

/** What a journal has that the engine has not confirmed. */
export interface JournalScan {
  readonly newest: readonly Newest[];
  readonly lastSequence: number;
  readonly lastSerial: number;
  readonly lastGeneration: number;
}

const COMMIT_EVERY = 4_096;

/**
 * Reads a journal and changes nothing.
 * @param state of the engine that it belongs to
 * @param owner as in the headers of its segments (ownerTag), 0 for whoever's
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN
 */
export function scanJournal(
  files: readonly ExistingJournalFile[],
  state: EngineMark,
  sameBoot: boolean,
  directory: string,
  owner = 0,
): JournalScan {
  const { images, headless } = readImages(files, directory, owner);
  const newest = new Map<string, Newest>();
  let lastSequence = 0;
  let expected = 0;
  let torn: { name: string; sequence: number } | undefined;
  for (const image of images) {
    const { serial, firstSequence, before } = image.header;
    if (serial <= state.confirmedSerial) continue;
    // Whatever it had behind its end would be missed by nobody.
    if (image.cut !== undefined) throw cutShort(directory, image.cut, firstSequence);
    if (expected !== 0 && firstSequence > expected) torn ??= { name: image.name, sequence: expected };
    // The one before it should stand here: its last record is the hole that is known for certain.
    if (expected === 0 && before > state.confirmedSerial)
      torn ??= { name: image.name, sequence: firstSequence - 1 };
    const extent = walk(image, (memory, at) => {
      const { words, bytes } = memory;
      if (torn !== undefined) refuseHole(words, at, torn, sameBoot, directory);
      const key = keyAt(words, at) * 4;
      const bytesOfKey = Buffer.from(bytes.buffer, key, keyLengthAt(words, at));
      const name = `${bucketAt(words, at)}/${bytesOfKey.toString('latin1')}`;
      const removal = kindAt(words, at) === KIND_REMOVED ? { memory, at } : newest.get(name)?.removal;
      newest.set(name, { memory, at, removal });
    });
    visitAfter(image, extent, (memory, at) => {
      // The earliest hole: whatever proves a later one proves it too.
      torn ??= { name: image.name, sequence: extent.lastSequence + 1 };
      refuseHole(memory.words, at, torn, sameBoot, directory);
    });
    expected = extent.lastSequence + 1;
    lastSequence = Math.max(lastSequence, extent.lastSequence);
  }
  const lastSerial = Math.max(images.at(-1)?.header.serial ?? 0, state.confirmedSerial);
  const lastGeneration = Math.max(state.generation, ...images.map((image) => image.header.generation));
  const found = { newest: [...newest.values()], lastSequence, lastSerial, lastGeneration };
  for (const one of headless) refuseUnknown(one, images, found, state, sameBoot, directory);
  return found;
}

/**
 * A file without a header is a spare, or was given up after its first write had failed: then what is in
 * it is older than that segment's other file, and in the engine. Anything else in it was lost with
 * the header.
 */
function refuseUnknown(
  file: Headless,
  images: readonly Image[],
  { lastSequence, lastGeneration }: Pick<JournalScan, 'lastSequence' | 'lastGeneration'>,
  state: EngineMark,
  sameBoot: boolean,
  directory: string,
): void {
  let confirmed = 0;
  let first = Number.POSITIVE_INFINITY;
  for (const image of images) {
    const { serial, generation, firstSequence } = image.header;
    if (generation !== lastGeneration) continue;
    confirmed = Math.max(confirmed, image.header.confirmed);
    if (serial <= state.confirmedSerial)
      confirmed = Math.max(confirmed, walk(image, () => undefined).lastSequence);
    else first = Math.min(first, firstSequence);
  }
  const unknown: number[] = [];
  let sequenceLost = Number.POSITIVE_INFINITY;
  visitHeadless(file, (generation, at) => {
    const sequence = sequenceAt(file.memory.words, at);
    if (generation < lastGeneration) return;
    if (generation === lastGeneration && sequence <= confirmed) return;
    if (generation === lastGeneration && sequence >= first && sequence <= lastSequence) return;
    unknown.push(at);
    sequenceLost = Math.min(sequenceLost, sequence);
  });
  for (const at of unknown)
    refuseHole(file.memory.words, at, { name: file.name, sequence: sequenceLost }, sameBoot, directory);
}

/**
 * Replays the journal of a virtual node into its engine after an unclean stop: the newest record
 * of each key, merged with what the engine has. The journal files stay until the caller removes
 * them; doing it twice changes nothing.
 *
 * @param sameBoot the machine has not been restarted since: everything written is readable, so a
 *   hole below a later record is damage. After a power cut only what was synced must be there.
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN; nothing is changed then
 */
export async function recoverJournal(
  files: readonly ExistingJournalFile[],
  engine: Engine,
  sameBoot: boolean,
  directory: string,
  owner = 0,
): Promise<Recovered> {
  const steps = recoverySteps(files, engine, sameBoot, directory, owner);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await committed(engine, step.value);
  }
}

function committed(engine: Engine, mark: EngineMark): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.commit(mark, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

/**
 * {@link recoverJournal} without promises: yields each mark that is to be committed, and is
 * resumed when that commit has resolved.
 */
export function* recoverySteps(
  files: readonly ExistingJournalFile[],
  engine: Engine,
  sameBoot: boolean,
  directory: string,
  owner = 0,
): Generator<EngineMark, Recovered, void> {
  const scan = scanJournal(files, engine.state, sameBoot, directory, owner);
  const { lastSequence, lastSerial, lastGeneration } = scan;
  yield* replay(scan.newest, engine, { generation: lastGeneration, confirmedSerial: lastSerial });
  return { records: scan.newest.length, lastSequence, lastSerial, lastGeneration };
}

function* replay(
  newest: readonly Newest[],
  engine: Engine,
  end: EngineMark,
): Generator<EngineMark, void, void> {
  for (let i = 0; i < newest.length; i++) {
    replayOne(newest[i]!, engine);
    if (i % COMMIT_EVERY === COMMIT_EVERY - 1) yield engine.state;
  }
  yield end;
}

function replayOne({ memory: { words, bytes }, at, removal }: Newest, engine: Engine): void {
  const partition = partitionAt(words, at);
  const bucket = bucketAt(words, at);
  const start = keyAt(words, at) * 4;
  const key = bytes.subarray(start, start + keyLengthAt(words, at));
  const record = bytes.subarray(at * 4, at * 4 + lengthAt(words, at));
  if (kindAt(words, at) === KIND_REMOVED) {
    engine.remove(partition, bucket, key);
    return;
  }
  // A hint has no history to merge.
  const stored = bucket === HINT_BUCKET ? undefined : engine.get(partition, bucket, key);
  if (stored === undefined) {
    engine.put(partition, bucket, key, record);
    return;
  }
  if (!verifyRecord(stored)) {
    throw new RingletError('DATA_CORRUPT', 'a stored record does not match its checksum', {
      bytes: stored.length,
    });
  }
  const { words: old, bytes: oldBytes } = aligned(stored);
  // What was let go in between is not known to the newer record, and would stand beside it again.
  if (removal !== undefined && isEarlier(old, 0, removal.memory.words, removal.at)) {
    engine.put(partition, bucket, key, record);
    return;
  }
  const relation = compareClocks(words, at, old, 0);
  // A value that was made a tombstone because its time was over has the same clock.
  const expired = relation === 'equal' && isTombstone(words, at);
  if (relation === 'newer' || expired) engine.put(partition, bucket, key, record);
  if (relation !== 'concurrent') return;
  const clock = sync(decodeClock(words, bytes, at), decodeClock(old, oldBytes, 0));
  const merged = encodeRecord(
    { partition, bucket, hash: words[at + W_KEY_HASH]! },
    key,
    kindAt(words, at),
    clock,
  );
  sealHead(merged.words, 0, sequenceAt(words, at), words[at + W_GENERATION]!, words[at + W_SYNCED]!);
  engine.put(partition, bucket, key, merged.bytes.subarray(0, lengthAt(merged.words, 0)));
}

/** Whether a record was appended before another one of the same virtual node. */
function isEarlier(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  const [ours, theirs] = [a[aAt + W_GENERATION]!, b[bAt + W_GENERATION]!];
  return ours === theirs ? sequenceAt(a, aAt) < sequenceAt(b, bAt) : ours < theirs;
}
