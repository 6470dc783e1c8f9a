import { hashWords } from '../base/hash.js';

/**
 * The first 64 bytes of a log segment, and so of its journal file:
 *
 *   word 0 magic "RLOG"     1 format      2 serial      3 generation
 *        4 first sequence number, low     5 the same, high
 *        6…14 zero          15 checksum of words 0…14
 *
 * `serial` counts segments of a virtual node over its whole life; `generation` counts starts of the
 * process on this directory.
 */
export const SEGMENT_FORMAT = 1;
const MAGIC = 0x474f4c52;
const WORDS = 16;

export interface SegmentHeader {
  readonly serial: number;
  readonly generation: number;
  readonly firstSequence: number;
}

export function writeSegmentHeader(words: Int32Array, at: number, header: SegmentHeader): void {
  words.fill(0, at, at + WORDS);
  words[at] = MAGIC;
  words[at + 1] = SEGMENT_FORMAT;
  words[at + 2] = header.serial;
  words[at + 3] = header.generation;
  words[at + 4] = header.firstSequence | 0;
  words[at + 5] = Math.floor(header.firstSequence / 0x1_0000_0000);
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
  return { kind: 'header', header: { serial: words[2]!, generation: words[3]!, firstSequence } };
}
