import { type Memory, readDouble, Scratch, writeDouble } from '../base/memory.js';
import type { Clock, Entry } from '../versions/dvvs.js';
import {
  CONTENT_TYPE_LITERAL,
  CONTENT_TYPES,
  ENTRY_WORDS,
  EXPIRY_WORDS,
  FIXED_WORDS,
  keyAt,
  keyLengthAt,
  keyWordOf,
  META_WORDS,
  metasAt,
  payloadWordsAt,
  recordBytes,
  sealContent,
  timeAt,
  VALUE_DELETED,
  VALUE_EXPIRES,
  W_KEY,
  W_KEY_HASH,
  W_LENGTH,
  W_PLACE,
  wordsFor,
} from './record.js';

/** A value as a clock carries it. `bytes` is a view; copy what is kept. */
export interface StoredValue {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Hybrid time (base/time.ts). */
  readonly time: number;
  readonly deleted: boolean;
  /**
   * When it expires, in wall milliseconds; undefined: never. Whoever makes values here names it in either
   * case, as the last one: an object literal that begins with a spread and goes on with fields may get
   * a shape of its own from V8 each time, and whoever reads such a value looks all of its fields up by name.
   */
  readonly expiresAtMs?: number | undefined;
}

/** Where a record belongs. */
export interface Place {
  readonly hash: number;
  readonly partition: number;
  readonly bucket: number;
}

export function decodeClock(words: Int32Array, bytes: Uint8Array, at: number): Clock<StoredValue> {
  const clock: Entry<StoredValue>[] = [];
  const metas = metasAt(words, at);
  let meta = metas;
  let word = keyAt(words, at) + wordsFor(keyLengthAt(words, at));
  for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) {
    const values: StoredValue[] = [];
    for (let i = 0; i < words[entry + 2]!; i++, meta += META_WORDS) {
      const value = readValue(words, bytes, meta, word);
      word += payloadWordsAt(words, meta);
      values.push(value);
    }
    clock.push({ actor: words[entry]! >>> 0, n: words[entry + 1]! >>> 0, values });
  }
  return clock;
}

/** The version vector alone. */
export function decodeVector(words: Int32Array, at: number): Clock<never> {
  const vector: Entry<never>[] = [];
  const metas = metasAt(words, at);
  for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) {
    vector.push({ actor: words[entry]! >>> 0, n: words[entry + 1]! >>> 0, values: [] });
  }
  return vector;
}

/** The greatest dot of an actor in a record's version vector, 0 if it has none. */
export function dotIn(words: Int32Array, at: number, actor: number): number {
  const metas = metasAt(words, at);
  for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS)
    if (words[entry]! >>> 0 === actor) return words[entry + 1]! >>> 0;
  return 0;
}

function readValue(words: Int32Array, bytes: Uint8Array, meta: number, word: number): StoredValue {
  const flags = words[meta + 1]! >>> 16;
  const typeBytes = words[meta + 1]! & 0xffff;
  const code = flags >>> 8;
  const expires = (flags & VALUE_EXPIRES) !== 0;
  const expiresAtMs = expires ? readDouble(words, word) : undefined;
  if (expires) word += EXPIRY_WORDS;
  const start = (word + wordsFor(typeBytes)) * 4;
  return {
    bytes: bytes.subarray(start, start + words[meta]!),
    contentType:
      code === CONTENT_TYPE_LITERAL
        ? Buffer.from(bytes.slice(word * 4, word * 4 + typeBytes)).toString('utf8')
        : (CONTENT_TYPES[code] ?? CONTENT_TYPES[0]),
    time: timeAt(words, meta),
    deleted: (flags & VALUE_DELETED) !== 0,
    expiresAtMs,
  };
}

const encoder = new TextEncoder();

/** Content type as flags and, unless it is a well-known one, its bytes. */
export function encodeContentType(contentType: string): { code: number; bytes: Uint8Array | undefined } {
  const known = CONTENT_TYPES.indexOf(contentType as (typeof CONTENT_TYPES)[number]);
  return known >= 0
    ? { code: known, bytes: undefined }
    : { code: CONTENT_TYPE_LITERAL, bytes: encoder.encode(contentType) };
}

const target = new Scratch();

/** Room for a record that is being built; its words 0…6 are left to whoever appends it. */
export function stagingFor(bytes: number): Memory {
  return target.of(bytes);
}

/** Writes a record at word 0 of the staging memory, valid until the next call of this module. */
export function encodeRecord(place: Place, key: Uint8Array, kind: number, clock: Clock<StoredValue>): Memory {
  let values = 0;
  let payload = 0;
  for (const entry of clock) {
    for (const value of entry.values) {
      values++;
      payload +=
        (value.expiresAtMs === undefined ? 0 : EXPIRY_WORDS) +
        wordsFor(encodeContentType(value.contentType).bytes?.length ?? 0) +
        wordsFor(value.bytes.length);
    }
  }
  const length = recordBytes(clock.length, values, key.length, payload);
  const memory = stagingFor(length);
  const { words, bytes } = memory;
  words.fill(0, 0, length >>> 2);
  words[W_LENGTH] = length;
  words[W_KEY_HASH] = place.hash;
  words[W_PLACE] = place.bucket | (place.partition << 16);
  words[W_KEY] = keyWordOf(key.length, kind, clock.length);
  let entry = FIXED_WORDS;
  for (const { actor, n, values: list } of clock) {
    words[entry] = actor | 0;
    words[entry + 1] = n | 0;
    words[entry + 2] = list.length;
    entry += ENTRY_WORDS;
  }
  let meta = entry;
  let word = meta + values * META_WORDS;
  bytes.set(key, word * 4);
  word += wordsFor(key.length);
  for (const { values: list } of clock) {
    for (const value of list) {
      word = writeValue(memory, meta, word, value);
      meta += META_WORDS;
    }
  }
  sealContent(words, 0);
  return memory;
}

function writeValue({ words, bytes }: Memory, meta: number, word: number, value: StoredValue): number {
  const type = encodeContentType(value.contentType);
  const typeBytes = type.bytes?.length ?? 0;
  words[meta] = value.bytes.length;
  const expires = value.expiresAtMs === undefined ? 0 : VALUE_EXPIRES;
  words[meta + 1] = typeBytes | (((type.code << 8) | (value.deleted ? VALUE_DELETED : 0) | expires) << 16);
  writeDouble(words, meta + 2, value.time);
  if (value.expiresAtMs !== undefined) {
    writeDouble(words, word, value.expiresAtMs);
    word += EXPIRY_WORDS;
  }
  if (type.bytes !== undefined) bytes.set(type.bytes, word * 4);
  bytes.set(value.bytes, (word + wordsFor(typeBytes)) * 4);
  return word + wordsFor(typeBytes) + wordsFor(value.bytes.length);
}

/** How two clocks relate, read from the records without decoding values; see versions/dvvs.ts `covers`. */
export type Relation = 'equal' | 'newer' | 'older' | 'concurrent';

/** `newer`: merging b into a changes nothing; `older`: the other way round. */
export function compareClocks(aWords: Int32Array, a: number, bWords: Int32Array, b: number): Relation {
  const aEnd = metasAt(aWords, a);
  const bEnd = metasAt(bWords, b);
  let i = a + FIXED_WORDS;
  let j = b + FIXED_WORDS;
  let aCovers = true;
  let bCovers = true;
  while (i < aEnd || j < bEnd) {
    const left = i < aEnd ? aWords[i]! >>> 0 : Infinity;
    const right = j < bEnd ? bWords[j]! >>> 0 : Infinity;
    if (left < right) {
      bCovers = false;
      i += ENTRY_WORDS;
    } else if (right < left) {
      aCovers = false;
      j += ENTRY_WORDS;
    } else {
      const aN = aWords[i + 1]! >>> 0;
      const bN = bWords[j + 1]! >>> 0;
      const aFloor = aN - aWords[i + 2]!;
      const bFloor = bN - bWords[j + 2]!;
      if (aN < bN || aFloor < bFloor) aCovers = false;
      if (bN < aN || bFloor < aFloor) bCovers = false;
      i += ENTRY_WORDS;
      j += ENTRY_WORDS;
    }
  }
  if (aCovers) return bCovers ? 'equal' : 'newer';
  return bCovers ? 'older' : 'concurrent';
}

/** Values that are not tombstones. */
export function isLive(value: StoredValue): boolean {
  return !value.deleted;
}

/**
 * Of a counter's values, those that count. None of them expires: one that does was over when the counter began, and
 * stays out of it also when the time of day goes back with a restart.
 */
export function isSubtotal(value: StoredValue): boolean {
  return !value.deleted && value.expiresAtMs === undefined;
}

/** Whether a value's time was over; for a reader that is as if it were deleted. */
export function isOver(value: StoredValue, nowMs: number): boolean {
  return value.deleted || (value.expiresAtMs !== undefined && value.expiresAtMs <= nowMs);
}
