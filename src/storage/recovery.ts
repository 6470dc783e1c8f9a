import { RingletError } from '../base/errors.js';
import { Memory } from '../base/memory.js';
import type { Engine, EngineMark } from './engine.js';
import type { ExistingJournalFile } from './journal-files.js';
import {
  aligned,
  bucketAt,
  contentIntact,
  headIntact,
  HINT_BUCKET,
  keyAt,
  keyLengthAt,
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
import { readSegmentHeader, type SegmentHeader } from './segment-header.js';
import { sync } from '../versions/dvvs.js';
import { SEGMENT_HEADER_BYTES } from './buffer-layout.js';

export interface Recovered {
  /** Records replayed into the engine. */
  readonly records: number;
  readonly lastSequence: number;
  readonly lastSerial: number;
  readonly lastGeneration: number;
}

/**
 * One log segment as the disk has it, in one file or, when the journal was written anew after a
 * failure, in several: any of them may lack what another has.
 */
interface Image {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly copies: Memory[];
}

/** Where the records of an image end, and the last sequence number in it. */
interface Extent {
  readonly endWord: number;
  readonly lastSequence: number;
}

const COMMIT_EVERY = 4_096;

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
): Promise<Recovered> {
  const steps = recoverySteps(files, engine, sameBoot, directory);
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
): Generator<EngineMark, Recovered, void> {
  const images = readImages(files, directory);
  const newest = new Map<string, { memory: Memory; at: number }>();
  let lastSequence = 0;
  let expected = 0;
  let torn: { name: string; sequence: number } | undefined;
  for (const image of images) {
    if (image.header.serial <= engine.state.confirmedSerial) continue;
    if (expected !== 0 && image.header.firstSequence > expected)
      torn ??= { name: image.name, sequence: expected };
    const extent = walk(image, (memory, at) => {
      const { words, bytes } = memory;
      if (torn !== undefined) refuseHole(words, at, torn, sameBoot, directory);
      const key = keyAt(words, at) * 4;
      const name = Buffer.from(bytes.buffer, key, keyLengthAt(words, at)).toString('latin1');
      newest.set(`${bucketAt(words, at)}/${name}`, { memory, at });
    });
    visitAfter(image, extent, (memory, at) => {
      // The earliest hole: whatever proves a later one proves it too.
      torn ??= { name: image.name, sequence: extent.lastSequence + 1 };
      refuseHole(memory.words, at, torn, sameBoot, directory);
    });
    expected = extent.lastSequence + 1;
    lastSequence = Math.max(lastSequence, extent.lastSequence);
  }
  const lastSerial = Math.max(images.at(-1)?.header.serial ?? 0, engine.state.confirmedSerial);
  const lastGeneration = Math.max(engine.state.generation, ...images.map((image) => image.header.generation));
  yield* replay([...newest.values()], engine, { generation: lastGeneration, confirmedSerial: lastSerial });
  return { records: newest.size, lastSequence, lastSerial, lastGeneration };
}

function readImages(files: readonly ExistingJournalFile[], directory: string): Image[] {
  const images: Image[] = [];
  for (const file of files) {
    const bytes = file.read();
    const memory = Memory.allocate(Math.ceil(bytes.length / 8) * 8);
    memory.bytes.set(bytes);
    const outcome = readSegmentHeader(memory.words);
    if (outcome.kind === 'blank') continue;
    if (outcome.kind === 'unknown-format') {
      throw new RingletError(
        'DATA_FOREIGN',
        `${directory}/${file.name} has journal format ${outcome.format}, made by another version of Ringlet; open it with that one`,
        {
          format: outcome.format,
        },
      );
    }
    if (outcome.kind === 'damaged') {
      throw corrupt(directory, file.name, 0, 'its header does not match its checksum');
    }
    const { header } = outcome;
    const same = images.find((image) => image.header.serial === header.serial);
    if (same === undefined) images.push({ name: file.name, header, copies: [memory] });
    else if (isSame(same.header, header)) same.copies.push(memory);
    else
      throw corrupt(
        directory,
        file.name,
        header.firstSequence,
        `another file has its serial ${header.serial}`,
      );
  }
  return images.sort((a, b) => a.header.serial - b.header.serial);
}

function isSame(a: SegmentHeader, b: SegmentHeader): boolean {
  return a.serial === b.serial && a.generation === b.generation && a.firstSequence === b.firstSequence;
}

/** Visits the unbroken run of records at the start of an image. */
function walk({ header, copies }: Image, visit: (memory: Memory, at: number) => void): Extent {
  let at = SEGMENT_HEADER_BYTES >>> 2;
  let sequence = header.firstSequence;
  for (;;) {
    const memory = copies.find(
      ({ words }) =>
        isRecordOf(words, at, header.generation) &&
        sequenceAt(words, at) === sequence &&
        contentIntact(words, at),
    );
    if (memory === undefined) return { endWord: at, lastSequence: sequence - 1 };
    visit(memory, at);
    at += lengthAt(memory.words, at) >>> 2;
    sequence++;
  }
}

/** Visits the intact records behind the end of the run that were appended later in this segment's life. */
function visitAfter(
  { header, copies }: Image,
  extent: Extent,
  visit: (memory: Memory, at: number) => void,
): void {
  for (const memory of copies) {
    const { words } = memory;
    for (let at = extent.endWord; at < words.length; at += 2) {
      if (!isRecordOf(words, at, header.generation)) continue;
      if (sequenceAt(words, at) > extent.lastSequence && contentIntact(words, at)) visit(memory, at);
    }
  }
}

function isRecordOf(words: Int32Array, at: number, generation: number): boolean {
  return words[at + W_GENERATION] === generation && headIntact(words, at, words.length);
}

/** A later record proves that the missing one was there, unless a power cut may have lost it unsynced. */
function refuseHole(
  words: Int32Array,
  later: number,
  hole: { name: string; sequence: number },
  sameBoot: boolean,
  directory: string,
): void {
  const synced = words[later + W_SYNCED]! >>> 0;
  const wasSynced = ((synced - hole.sequence) | 0) >= 0 && synced !== 0;
  if (sameBoot || wasSynced) {
    throw corrupt(
      directory,
      hole.name,
      hole.sequence,
      `record ${hole.sequence} is damaged although later ones are whole`,
    );
  }
}

function* replay(
  newest: readonly { memory: Memory; at: number }[],
  engine: Engine,
  end: EngineMark,
): Generator<EngineMark, void, void> {
  for (let i = 0; i < newest.length; i++) {
    replayOne(newest[i]!.memory, newest[i]!.at, engine);
    if (i % COMMIT_EVERY === COMMIT_EVERY - 1) yield engine.state;
  }
  yield end;
}

function replayOne({ words, bytes }: Memory, at: number, engine: Engine): void {
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
  const relation = compareClocks(words, at, old, 0);
  if (relation === 'newer') engine.put(partition, bucket, key, record);
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

function corrupt(directory: string, file: string, sequence: number, reason: string): RingletError {
  return new RingletError(
    'DATA_CORRUPT',
    `${directory}/${file}: ${reason}; restore the directory from a backup or move it away`,
    { file, sequence },
  );
}
