import { RingletError } from '../base/errors.js';
import { Memory } from '../base/memory.js';
import { SEGMENT_HEADER_BYTES } from './buffer-layout.js';
import type { ExistingJournalFile } from './journal-files.js';
import {
  contentIntact,
  headIntact,
  lengthAt,
  recordBytes,
  sequenceAt,
  W_GENERATION,
  W_SYNCED,
} from './record.js';
import { readSegmentHeader, type SegmentHeader } from './segment-header.js';

/**
 * One log segment as the disk has it, in one file or, when the journal was written anew after a
 * failure, in several: any of them may lack what another has.
 */
export interface Image {
  readonly name: string;
  readonly header: SegmentHeader;
  readonly copies: Memory[];
  /** A file of it that is shorter than it was made. */
  cut: string | undefined;
}

/** Where the records of an image end, and the last sequence number in it. */
export interface Extent {
  readonly endWord: number;
  readonly lastSequence: number;
}

/** A file without a header that can be read: a spare, one whose first write failed, or damage. */
export interface Headless {
  readonly name: string;
  readonly memory: Memory;
}

/**
 * The segments that the files of a journal hold, by age.
 * @param owner as in their headers, 0 for whoever's
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN
 */
export function readImages(
  files: readonly ExistingJournalFile[],
  directory: string,
  owner: number,
): { images: Image[]; headless: Headless[] } {
  const images: Image[] = [];
  const headless: Headless[] = [];
  for (const file of files) {
    const bytes = file.read();
    const memory = Memory.allocate(Math.ceil(bytes.length / 8) * 8);
    memory.bytes.set(bytes);
    const outcome = readSegmentHeader(memory.words);
    if (outcome.kind === 'unknown-format') {
      throw new RingletError(
        'DATA_FOREIGN',
        `${directory}/${file.name} has journal format ${outcome.format}, made by another version of Ringlet; open it with that one`,
        {
          format: outcome.format,
        },
      );
    }
    // Files get their names when they are whole.
    if (bytes.length < SEGMENT_HEADER_BYTES) throw cutShort(directory, file.name, 0);
    if (outcome.kind !== 'header') {
      headless.push({ name: file.name, memory });
      continue;
    }
    const { header } = outcome;
    if (owner !== 0 && header.owner !== 0 && header.owner !== owner) {
      throw new RingletError(
        'DATA_FOREIGN',
        `${directory}/${file.name} belongs to another virtual node; put the right journal in its place`,
        { file: file.name },
      );
    }
    const cut = bytes.length < header.bytes ? file.name : undefined;
    const same = images.find((image) => image.header.serial === header.serial);
    if (same === undefined) {
      images.push({ name: file.name, header, copies: [memory], cut });
    } else if (isSame(same.header, header)) {
      same.copies.push(memory);
      same.cut ??= cut;
    } else
      throw corrupt(
        directory,
        file.name,
        header.firstSequence,
        `another file has its serial ${header.serial}`,
      );
  }
  return { images: images.sort((a, b) => a.header.serial - b.header.serial), headless };
}

function isSame(a: SegmentHeader, b: SegmentHeader): boolean {
  return a.serial === b.serial && a.generation === b.generation && a.firstSequence === b.firstSequence;
}

/** Visits the unbroken run of records at the start of an image. */
export function walk({ header, copies }: Image, visit: (memory: Memory, at: number) => void): Extent {
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

/** One without entries and values, of a key of one byte. */
const LEAST_RECORD_WORDS = recordBytes(0, 0, 1, 0) >>> 2;

/**
 * Visits the intact records behind the end of the run that were appended later in this segment's life.
 * What looks like one may stand within a value, with whatever number: a real one has none above what
 * had room in front of it.
 */
export function visitAfter(
  { header, copies }: Image,
  extent: Extent,
  visit: (memory: Memory, at: number) => void,
): void {
  for (const memory of copies) {
    const { words } = memory;
    for (let at = extent.endWord; at < words.length; at += 2) {
      if (!isRecordOf(words, at, header.generation)) continue;
      const most = extent.lastSequence + 1 + Math.floor((at - extent.endWord) / LEAST_RECORD_WORDS);
      const sequence = sequenceAt(words, at);
      if (sequence > extent.lastSequence && sequence <= most && contentIntact(words, at)) visit(memory, at);
    }
  }
}

function isRecordOf(words: Int32Array, at: number, generation: number): boolean {
  return words[at + W_GENERATION] === generation && headIntact(words, at, words.length);
}

/** Visits the intact records of a file whose header says nothing. */
export function visitHeadless({ memory }: Headless, visit: (generation: number, at: number) => void): void {
  const { words } = memory;
  for (let at = SEGMENT_HEADER_BYTES >>> 2; at < words.length; at += 2) {
    if (headIntact(words, at, words.length) && contentIntact(words, at)) visit(words[at + W_GENERATION]!, at);
  }
}

/** A later record proves that the missing one was there, unless a power cut may have lost it unsynced. */
export function refuseHole(
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

export function cutShort(directory: string, file: string, sequence: number): RingletError {
  return corrupt(directory, file, sequence, 'shorter than it was made');
}

export function corrupt(directory: string, file: string, sequence: number, reason: string): RingletError {
  return new RingletError(
    'DATA_CORRUPT',
    `${directory}/${file}: ${reason}; restore the directory from a backup or move it away`,
    { file, sequence },
  );
}
