import { assert } from '../base/assert.js';
import { hashWords } from '../base/hash.js';
import { LIMITS } from '../base/limits.js';
import { paddedWords } from '../base/memory.js';
import { TICKS_PER_MS, wallOfHybrid } from '../base/time.js';
import {
  CONTENT_TYPES,
  HINT_BUCKET,
  keyAt,
  keyLengthAt,
  KIND_HINT,
  kindAt,
  lengthAt,
  metasAt,
  partitionAt,
  timeAt,
  valuesAt,
  W_KEY_HASH,
  wordsFor,
} from '../storage/record.js';
import { encodeRecord } from '../storage/record-codec.js';

/**
 * A hint says that a key must still go to one of its owners; the copy to send is the ordinary
 * record of the key at the same virtual node. It is a record like any other, so that it goes down
 * the same pipeline and survives what that survives:
 *
 *   bucket     HINT_BUCKET, with KIND_HINT and the partition of the key
 *   key hash   the key's, xor a hash of the owner's id
 *   key        length of the owner's id (1 byte), the id, bucket number (2 bytes), the key
 *   clock      one entry (1, 1) with one value: n and rule of the bucket (1 byte each), then the
 *              bytes of the key's record at that time (4 bytes); its time is when the hint was made
 */
export interface Hint {
  readonly hash: number;
  readonly partition: number;
  /** Copies and conflict rule of the bucket. */
  readonly n: number;
  readonly rule: number;
  /** Of the key's record when the hint was made; about. */
  readonly bytes: number;
}

export interface HintedKey {
  readonly bucket: number;
  readonly key: Uint8Array;
}

/** The owner's part in the names of its hints. */
export interface OwnerName {
  readonly id: Uint8Array;
  readonly hash: number;
}

const VALUE_BYTES = 6;
const ID_SEED = 0x68696e74;

export function ownerName(id: string): OwnerName {
  const bytes = new TextEncoder().encode(id);
  assert(bytes.length + 3 <= LIMITS.hintNameBytes, 'the id of a virtual node fits into the name of a hint');
  const words = paddedWords(bytes);
  return { id: bytes, hash: hashWords(words, 0, words.length, ID_SEED) };
}

/** The key of the hint's own record. */
export function hintName({ id }: OwnerName, { bucket, key }: HintedKey): Uint8Array {
  const name = new Uint8Array(id.length + 3 + key.length);
  name[0] = id.length;
  name.set(id, 1);
  name[id.length + 1] = bucket;
  name[id.length + 2] = bucket >>> 8;
  name.set(key, id.length + 3);
  return name;
}

/** The key that a hint's name ends with. REQUIRES: the name is one of {@link hintName}. */
export function keyOfName(name: Uint8Array): HintedKey {
  const at = name[0]! + 1;
  return { bucket: name[at]! | (name[at + 1]! << 8), key: name.subarray(at + 2) };
}

/** The id of the owner in a hint's name; undefined if it is no such name. */
export function idOfName(name: Uint8Array): string | undefined {
  const end = name[0]! + 1;
  return name.length > end + 2 ? Buffer.from(name.slice(1, end)).toString('utf8') : undefined;
}

/** The hint's record at word 0, valid until the next record is built. */
export function encodeHint(owner: OwnerName, hint: Hint, name: Uint8Array, madeMs: number): Int32Array {
  const bytes = new Uint8Array(VALUE_BYTES);
  bytes[0] = hint.n;
  bytes[1] = hint.rule;
  new DataView(bytes.buffer).setUint32(2, hint.bytes, true);
  const value = {
    bytes,
    contentType: CONTENT_TYPES[0],
    time: madeMs * TICKS_PER_MS,
    deleted: false,
    expiresAtMs: undefined,
  };
  const place = { hash: hint.hash ^ owner.hash, partition: hint.partition, bucket: HINT_BUCKET };
  return encodeRecord(place, name, KIND_HINT, [{ actor: 1, n: 1, values: [value] }]).words;
}

/** The name in any record, in ordinary memory. */
export function nameIn(words: Int32Array, bytes: Uint8Array, at: number): Uint8Array {
  const start = keyAt(words, at) * 4;
  return bytes.slice(start, start + keyLengthAt(words, at));
}

/** What the intact record of a hint says; undefined if it is of another kind. */
export function decodeHint(
  owner: OwnerName,
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
): { readonly hint: Hint; readonly madeMs: number } | undefined {
  const value = (keyAt(words, at) + wordsFor(keyLengthAt(words, at))) * 4;
  const whole = valuesAt(words, at) === 1 && value + VALUE_BYTES <= at * 4 + lengthAt(words, at);
  if (kindAt(words, at) !== KIND_HINT || !whole) return undefined;
  const hint: Hint = {
    hash: words[at + W_KEY_HASH]! ^ owner.hash,
    partition: partitionAt(words, at),
    n: bytes[value]!,
    rule: bytes[value + 1]!,
    bytes: new DataView(bytes.buffer, bytes.byteOffset).getUint32(value + 2, true),
  };
  return { hint, madeMs: wallOfHybrid(timeAt(words, metasAt(words, at))) };
}
