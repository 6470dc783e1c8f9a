import { assert } from '../base/assert.js';
import { hashWords } from '../base/hash.js';
import { LIMITS } from '../base/limits.js';
import { align, type Memory, readDouble, Scratch } from '../base/memory.js';

/**
 * The one format of a stored key: in object buffers, journals, engines and replica frames.
 * Words are 32-bit little-endian; a record begins at a multiple of 8 bytes and is never changed
 * after it is published.
 *
 *   word  0  head checksum, of words 1…6
 *         1  length in bytes of the whole record, a multiple of 8
 *         2  sequence number, low 32 bits                 \
 *         3  sequence number, high 16 bits | reserved <<16 | the head: written anew by every
 *         4  generation                                    | virtual node that appends the record
 *         5  low 32 bits of the sequence number that was   |
 *            synced when this record was appended          /
 *         6  content checksum, of words 7…end             - the same on all replicas
 *         7  key hash (second word of the key's SHA-1)
 *         8  bucket | partition <<16
 *         9  key length in bytes (12 bits) | kind <<12 | number of clock entries <<16
 *            kind: 0 ordinary, 1 counter, 2 a hint (its bucket is HINT_BUCKET, see shard/hint-record.ts),
 *            3 the key is removed (neither entries nor values)
 *        10… clock entries by ascending actor: actor, n, number of values       (3 words each)
 *         …  values, entry by entry and newest first: length in bytes,
 *            content type length | flags <<16, time (double, 2 words)           (4 words each)
 *         …  key bytes, padded to a word
 *         …  per value: when it expires (double, 2 words, wall ms), only with the flag; content type bytes
 *            and value bytes, each padded to a word
 *         …  zeros up to a multiple of 8
 */
export const HEAD_WORDS = 7;
export const FIXED_WORDS = 10;
export const ENTRY_WORDS = 3;
export const META_WORDS = 4;

export const W_HEAD_CHECK = 0;
export const W_LENGTH = 1;
export const W_SEQUENCE = 2;
export const W_SEQUENCE_HIGH = 3;
export const W_GENERATION = 4;
export const W_SYNCED = 5;
export const W_CONTENT_CHECK = 6;
export const W_KEY_HASH = 7;
export const W_PLACE = 8;
export const W_KEY = 9;

export const KEY_BITS = 12;

export const KIND_PLAIN = 0;
export const KIND_COUNTER = 1;
/** A key that must still go to an owner; only in {@link HINT_BUCKET}. */
export const KIND_HINT = 2;
/** The virtual node has let its copy go, clock and all: never sent, never in an engine. */
export const KIND_REMOVED = 3;

/** The bucket of hints: no user's bucket has this number (LIMITS.buckets). */
export const HINT_BUCKET = 0xffff;

export const VALUE_DELETED = 1;
export const VALUE_EXPIRES = 2;
/** Words in front of the content type of a value that expires. */
export const EXPIRY_WORDS = 2;
/** Bits 8–15 of a value's flags: a well-known content type; 255 is one spelt out in the record. */
export const CONTENT_TYPES = [
  'application/octet-stream',
  'text/plain;charset=utf-8',
  'application/json',
] as const;
export const CONTENT_TYPE_LITERAL = 255;

assert(
  LIMITS.keyBytes + LIMITS.hintNameBytes < 1 << KEY_BITS,
  'the length of a key has its bits in a record',
);

const HEAD_SEED = 0x52494e47;
const CONTENT_SEED = 0x4c455421;

export function lengthAt(words: Int32Array, at: number): number {
  return words[at + W_LENGTH]!;
}
export function sequenceAt(words: Int32Array, at: number): number {
  return (words[at + W_SEQUENCE]! >>> 0) + (words[at + W_SEQUENCE_HIGH]! & 0xffff) * 0x1_0000_0000;
}
export function bucketAt(words: Int32Array, at: number): number {
  return words[at + W_PLACE]! & 0xffff;
}
export function partitionAt(words: Int32Array, at: number): number {
  return words[at + W_PLACE]! >>> 16;
}
export function keyLengthAt(words: Int32Array, at: number): number {
  return words[at + W_KEY]! & ((1 << KEY_BITS) - 1);
}
/** The key's bytes, in place. */
export function keyBytesAt(words: Int32Array, bytes: Uint8Array, at: number): Uint8Array {
  const start = keyAt(words, at) * 4;
  return bytes.subarray(start, start + keyLengthAt(words, at));
}
export function entriesAt(words: Int32Array, at: number): number {
  return words[at + W_KEY]! >>> 16;
}
export function kindAt(words: Int32Array, at: number): number {
  return (words[at + W_KEY]! >>> KEY_BITS) & 0xf;
}
/** Word {@link W_KEY} of a record. */
export function keyWordOf(keyBytes: number, kind: number, entries: number): number {
  return keyBytes | (kind << KEY_BITS) | (entries << 16);
}
/** How many values the clock entries list. */
export function valuesAt(words: Int32Array, at: number): number {
  const metas = metasAt(words, at);
  let values = 0;
  for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) values += words[entry + 2]!;
  return values;
}
/** Words of a value behind the key. */
export function payloadWordsAt(words: Int32Array, meta: number): number {
  const typeAndFlags = words[meta + 1]!;
  const expiry = (typeAndFlags & (VALUE_EXPIRES << 16)) === 0 ? 0 : EXPIRY_WORDS;
  return expiry + wordsFor(typeAndFlags & 0xffff) + wordsFor(words[meta]!);
}

export const IS_TOMBSTONE = 1;
export const HAS_EXPIRY = 2;

/** What of a record's end is to be taken care of: bits of {@link IS_TOMBSTONE} and {@link HAS_EXPIRY}. */
export function mortalityOf(words: Int32Array, at: number): number {
  const key = keyAt(words, at);
  let live = 0;
  let expires = 0;
  for (let meta = metasAt(words, at); meta < key; meta += META_WORDS) {
    const flags = words[meta + 1]! >>> 16;
    if ((flags & VALUE_DELETED) === 0) live++;
    expires |= flags & VALUE_EXPIRES;
  }
  // One that expires stands for an absence that is remembered so long: until then it stays.
  const isTombstone = live === 0 && expires === 0 && kindAt(words, at) !== KIND_REMOVED;
  return (isTombstone ? IS_TOMBSTONE : 0) | expires;
}

/** Whether a key that was not removed has no live value, and is remembered for nothing else: a tombstone. */
export function isTombstone(words: Int32Array, at: number): boolean {
  return (mortalityOf(words, at) & IS_TOMBSTONE) !== 0;
}

/** When the first of a record's values expires, in wall milliseconds; Infinity if none does. */
export function firstExpiryAt(words: Int32Array, at: number): number {
  const key = keyAt(words, at);
  let word = key + wordsFor(keyLengthAt(words, at));
  let first = Number.POSITIVE_INFINITY;
  for (let meta = metasAt(words, at); meta < key; meta += META_WORDS) {
    if ((words[meta + 1]! & (VALUE_EXPIRES << 16)) !== 0) first = Math.min(first, readDouble(words, word));
    word += payloadWordsAt(words, meta);
  }
  return first;
}
/** Word at which the value descriptors begin. */
export function metasAt(words: Int32Array, at: number): number {
  return at + FIXED_WORDS + entriesAt(words, at) * ENTRY_WORDS;
}
/** Word at which the key begins. */
export function keyAt(words: Int32Array, at: number): number {
  return metasAt(words, at) + valuesAt(words, at) * META_WORDS;
}

export function wordsFor(bytes: number): number {
  return (bytes + 3) >>> 2;
}

/** Bytes of a record with these parts; `payloadWords` is the sum of the padded content types and values. */
export function recordBytes(entries: number, values: number, keyBytes: number, payloadWords: number): number {
  const words = FIXED_WORDS + entries * ENTRY_WORDS + values * META_WORDS + wordsFor(keyBytes) + payloadWords;
  return align(words * 4, 8);
}

/** Computes the content checksum after everything behind it is in place. */
export function sealContent(words: Int32Array, at: number): void {
  words[at + W_CONTENT_CHECK] = hashWords(
    words,
    at + HEAD_WORDS,
    at + (lengthAt(words, at) >>> 2),
    CONTENT_SEED,
  );
}

/** Writes the head that the appending virtual node owns. */
export function sealHead(
  words: Int32Array,
  at: number,
  sequence: number,
  generation: number,
  synced: number,
): void {
  words[at + W_SEQUENCE] = sequence | 0;
  words[at + W_SEQUENCE_HIGH] = Math.floor(sequence / 0x1_0000_0000) & 0xffff;
  words[at + W_GENERATION] = generation;
  words[at + W_SYNCED] = synced | 0;
  words[at + W_HEAD_CHECK] = hashWords(words, at + 1, at + HEAD_WORDS, HEAD_SEED);
}

/** Whether words at `at` begin with an intact head of a record that ends before word `end`. */
export function headIntact(words: Int32Array, at: number, end: number): boolean {
  if (at + FIXED_WORDS > end) return false;
  const bytes = words[at + W_LENGTH]!;
  if (bytes < FIXED_WORDS * 4 || (bytes & 7) !== 0 || at + (bytes >>> 2) > end) return false;
  return words[at + W_HEAD_CHECK] === hashWords(words, at + 1, at + HEAD_WORDS, HEAD_SEED);
}

/** Whether the content checksum and all inner lengths hold; the head must be intact. */
export function contentIntact(words: Int32Array, at: number): boolean {
  const end = at + (lengthAt(words, at) >>> 2);
  if (words[at + W_CONTENT_CHECK] !== hashWords(words, at + HEAD_WORDS, end, CONTENT_SEED)) return false;
  return shapeIntact(words, at, end);
}

/** Whether all inner lengths add up to the record's own: checked on whatever comes from outside. */
export function shapeIntact(words: Int32Array, at: number, end: number): boolean {
  const metas = metasAt(words, at);
  const keyBytes = keyLengthAt(words, at);
  // The engine takes nothing beyond these, and a record that has come so far stays in its way.
  if (keyBytes === 0 || keyBytes > LIMITS.keyBytes + LIMITS.hintNameBytes) return false;
  if (metas > end || partitionAt(words, at) >= LIMITS.partitions) return false;
  for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) {
    // Every value has a dot, so a list is never longer than its counter.
    if (words[entry + 2]! < 0 || words[entry + 2]! > words[entry + 1]! >>> 0) return false;
  }
  const key = keyAt(words, at);
  let word = key + wordsFor(keyBytes);
  if (word > end) return false;
  for (let meta = metas; meta < key; meta += META_WORDS) {
    if (words[meta]! < 0) return false;
    word += payloadWordsAt(words, meta);
  }
  return word <= end && end - word <= 1 && ((end - at) & 1) === 0;
}

/** Content checksum of a record in any, also unaligned, bytes; an unsigned number. */
export function contentCheckOf(record: Uint8Array): number {
  const at = W_CONTENT_CHECK * 4;
  return (record[at]! | (record[at + 1]! << 8) | (record[at + 2]! << 16) | (record[at + 3]! << 24)) >>> 0;
}

const scratch = new Scratch();

/** The bytes at the start of an aligned memory, valid until the next call. */
export function aligned(record: Uint8Array): Memory {
  const memory = scratch.of(record.length);
  memory.bytes.set(record);
  return memory;
}

/** Whether the bytes are one whole, undamaged record. Never throws. */
export function verifyRecord(record: Uint8Array): boolean {
  const { words } = aligned(record);
  const end = record.length >>> 2;
  return headIntact(words, 0, end) && lengthAt(words, 0) === record.length && contentIntact(words, 0);
}

/** Time of a value, in the units of the hybrid logical clock (see base/time.ts). */
export function timeAt(words: Int32Array, meta: number): number {
  return readDouble(words, meta + 2);
}

export function keyEquals(
  words: Int32Array,
  at: number,
  bucket: number,
  key: Int32Array,
  keyBytes: number,
): boolean {
  if (keyLengthAt(words, at) !== keyBytes || bucketAt(words, at) !== bucket) return false;
  const start = keyAt(words, at);
  const count = wordsFor(keyBytes);
  for (let i = 0; i < count; i++) if (words[start + i] !== key[i]) return false;
  return true;
}
