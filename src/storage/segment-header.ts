import { hashWords } from '../base/hash.js';
import { paddedWords } from '../base/memory.js';

/**
 * The first 64 bytes of a log segment, and so of its journal file:
 *
 *   word 0 magic "RLOG"     1 format      2 serial      3 generation
 *        4 first sequence number, low     5 the same, high
 *        6 what was in the engine when it was opened: everything up to this sequence number, low
 *        7 the same, high   8 whose it is (ownerTag), 0 if nobody said
 *        9 serial of the newest segment that was not in the engine then, 0 if all were or nobody said
 *       10 bytes of the segment, and so of its file; 0 if nobody said
 *       11 serial, high     12 serial of word 9, high
 *       13…14 zero          15 checksum of words 0…14
 *
 * `serial` counts segments of a virtual node over its whole life; `generation` counts starts of the
 * process on this directory.
 */
export const SEGMENT_FORMAT = 2;
const MAGIC = 0x474f4c52;
const WORDS = 16;

export interface SegmentHeader {
  readonly serial: number;
  readonly generation: number;
  readonly firstSequence: number;
  /** Everything up to this sequence number was in the engine when the segment was opened. */
  readonly confirmed: number;
  /** Whose segment it is; 0 if nobody said. */
  readonly owner: number;
  /** Serial of the newest segment that was not in the engine when it was opened; 0 if all were, or nobody said. */
  readonly before: number;
  /** Of the segment, and so of its file; 0 if nobody said. */
  readonly bytes: number;
}

/** Tells the journals of virtual nodes apart, should their files be mixed up. Never 0. */
export function ownerTag(storeId: string, vnodeId: string): number {
  const bytes = new TextEncoder().encode(`${storeId} ${vnodeId}`);
  const words = paddedWords(bytes);
  return hashWords(words, 0, words.length, MAGIC) || 1;
}

export function writeSegmentHeader(words: Int32Array, at: number, header: SegmentHeader): void {
  words.fill(0, at, at + WORDS);
  words[at] = MAGIC;
  words[at + 1] = SEGMENT_FORMAT;
  words[at + 2] = header.serial | 0;
  words[at + 3] = header.generation;
  words[at + 4] = header.firstSequence | 0;
  words[at + 5] = Math.floor(header.firstSequence / 0x1_0000_0000);
  words[at + 6] = header.confirmed | 0;
  words[at + 7] = Math.floor(header.confirmed / 0x1_0000_0000);
  words[at + 8] = header.owner;
  words[at + 9] = header.before | 0;
  words[at + 10] = header.bytes;
  words[at + 11] = Math.floor(header.serial / 0x1_0000_0000);
  words[at + 12] = Math.floor(header.before / 0x1_0000_0000);
  words[at + WORDS - 1] = hashWords(words, at, at + WORDS - 1, MAGIC);
}

export type HeaderOutcome =
  | { readonly kind: 'header'; readonly header: SegmentHeader }
  /** Never written: a preallocated spare. */
  | { readonly kind: 'blank' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'unknown-format'; readonly format: number };

export function readSegmentHeader(words: Int32Array): HeaderOutcome {
  if (words.length < WORDS) return { kind: 'damaged' };
  if (words.subarray(0, WORDS).every((word) => word === 0)) return { kind: 'blank' };
  if (words[0] !== MAGIC || words[WORDS - 1] !== hashWords(words, 0, WORDS - 1, MAGIC))
    return { kind: 'damaged' };
  if (words[1] !== SEGMENT_FORMAT) return { kind: 'unknown-format', format: words[1]! };
  const firstSequence = (words[4]! >>> 0) + words[5]! * 0x1_0000_0000;
  const confirmed = (words[6]! >>> 0) + words[7]! * 0x1_0000_0000;
  return {
    kind: 'header',
    header: {
      serial: (words[2]! >>> 0) + words[11]! * 0x1_0000_0000,
      generation: words[3]!,
      firstSequence,
      confirmed,
      owner: words[8]!,
      before: (words[9]! >>> 0) + words[12]! * 0x1_0000_0000,
      bytes: words[10]!,
    },
  };
}
