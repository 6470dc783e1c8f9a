import { readDouble } from '../base/memory.js';
import {
  FLAG_STRICT,
  frameFlags,
  IF_NOTHING,
  OP_DELETE,
  OP_INCREMENT,
  PUT_FIXED_WORDS,
} from '../messaging/frames.js';
import { CONTENT_TYPE_LITERAL, CONTENT_TYPES } from '../storage/record.js';
import type { Place } from '../storage/record-codec.js';
import type { Level } from '../storage/pipeline.js';
import type { Clock, Entry } from '../versions/dvvs.js';

/** A PUT frame read in place: valid only while the frame is. */
export interface PutRequest extends Place {
  readonly caller: number;
  readonly operation: number;
  readonly level: Level;
  readonly w: number;
  readonly n: number;
  readonly r: number;
  readonly rule: number;
  readonly condition: number;
  /** Only owners count towards W: a strict quorum was asked for, or the put has a condition. */
  readonly ownersOnly: boolean;
  readonly by: number;
  /** Of a put, touch or delete, in wall milliseconds; 0: never. A tombstone's: until then it is known that there is nothing. */
  readonly expiresAtMs: number;
  readonly context: Clock<never>;
  readonly key: Uint8Array;
  /** The key as words, padded with zeros. */
  readonly keyWords: Int32Array;
  readonly contentTypeCode: number;
  /** Only with a literal content type. */
  readonly contentTypeBytes: Uint8Array;
  readonly value: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

export function contentTypeOf(request: PutRequest): string {
  if (request.contentTypeCode === CONTENT_TYPE_LITERAL) {
    return Buffer.from(request.contentTypeBytes.slice()).toString('utf8');
  }
  return CONTENT_TYPES[request.contentTypeCode] ?? CONTENT_TYPES[0];
}

export function readPut(words: Int32Array, bytes: Uint8Array, at: number): PutRequest {
  const keyBytes = words[at + 9]! & 0xffff;
  const entries = words[at + 9]! >>> 16;
  const context: Entry<never>[] = [];
  let word = at + PUT_FIXED_WORDS;
  for (let i = 0; i < entries; i++, word += 2) {
    context.push({ actor: words[word]! >>> 0, n: words[word + 1]! >>> 0, values: [] });
  }
  const keyAt = word;
  const typeBytes = words[at + 13]!;
  const typeAt = (keyAt + ((keyBytes + 3) >>> 2)) * 4;
  const valueAt = typeAt + ((typeBytes + 3) >>> 2) * 4;
  const operation = words[at + 10]! & 0xff;
  const condition = (words[at + 11]! >>> 8) & 0xff;
  return {
    hash: words[at + 7]!,
    bucket: words[at + 8]! & 0xffff,
    partition: words[at + 8]! >>> 16,
    caller: words[at + 6]!,
    operation,
    level: ((words[at + 10]! >>> 8) & 0xff) as Level,
    w: (words[at + 10]! >>> 16) & 0xff,
    n: words[at + 10]! >>> 24,
    rule: words[at + 11]! & 0xff,
    condition,
    ownersOnly: condition !== IF_NOTHING || (frameFlags(words, at) & FLAG_STRICT) !== 0,
    r: (words[at + 11]! >>> 16) & 0xff,
    contentTypeCode: words[at + 11]! >>> 24,
    by: operation === OP_INCREMENT ? readDouble(words, at + 14) : 0,
    expiresAtMs: operation === OP_INCREMENT ? 0 : readDouble(words, at + 14),
    context,
    key: bytes.subarray(keyAt * 4, keyAt * 4 + keyBytes),
    keyWords: words.subarray(keyAt, keyAt + ((keyBytes + 3) >>> 2)),
    // Most have none, and a view of shared memory costs as much as the rest.
    contentTypeBytes: typeBytes === 0 ? NO_BYTES : bytes.subarray(typeAt, typeAt + typeBytes),
    value:
      operation === OP_DELETE ? bytes.subarray(0, 0) : bytes.subarray(valueAt, valueAt + words[at + 12]!),
  };
}
