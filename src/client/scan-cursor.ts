import { RingletError, shown } from '../base/errors.js';
import { fnv1a } from '../base/hash.js';
import { LIMITS } from '../base/limits.js';

/** Where a scan continues: a partition, and the key after which. */
export interface Position {
  readonly partition: number;
  readonly after: Uint8Array;
}

/*
 * base64url of:
 *
 *   0     version byte 2
 *   1–4   FNV-1a of the bucket's name, big-endian: the place of a key says nothing in another bucket
 *   5–6   partition, big-endian
 *   7…    the key after which to continue
 */
const VERSION = 2;
const KEY_AT = 7;

export function encodeCursor(bucket: string, { partition, after }: Position): string {
  const bytes = Buffer.allocUnsafe(KEY_AT + after.length);
  bytes[0] = VERSION;
  bytes.writeUInt32BE(tagOf(bucket), 1);
  bytes.writeUInt16BE(partition, 5);
  bytes.set(after, KEY_AT);
  return bytes.toString('base64url');
}

/** @throws RingletError BAD_REQUEST */
export function decodeCursor(cursor: string, bucket: string, partitions: number): Position {
  if (typeof cursor !== 'string')
    throw new RingletError('BAD_REQUEST', `a cursor is a string, not ${shown(cursor)}`, {
      type: typeof cursor,
    });
  const bytes = Buffer.from(cursor, 'base64url');
  const isWhole = bytes.length >= KEY_AT && bytes.length <= KEY_AT + LIMITS.keyBytes;
  const partition = isWhole ? bytes.readUInt16BE(5) : partitions;
  if (bytes[0] !== VERSION || partition >= partitions || bytes.toString('base64url') !== cursor) {
    throw new RingletError('BAD_REQUEST', 'the cursor is not one that a scan of this store returned', {
      cursorBytes: bytes.length,
    });
  }
  if (bytes.readUInt32BE(1) !== tagOf(bucket))
    throw new RingletError('BAD_REQUEST', `the cursor is of another bucket than ${bucket}`, { bucket });
  return { partition, after: new Uint8Array(bytes.subarray(KEY_AT)) };
}

let lastName = '';
let lastTag = 0;

/** Many in a row are of the same bucket. */
function tagOf(bucket: string): number {
  if (bucket !== lastName) {
    lastTag = fnv1a(Buffer.from(bucket));
    lastName = bucket;
  }
  return lastTag;
}

/**
 * The last key that is below all keys with a prefix, for pages that start after it; empty: there is none.
 * Whatever stood between it and them would be fetched for nothing: all of `user:1…` for `user:2`.
 *
 * @param prefix no longer than a key
 */
export function beforePrefix(prefix: Uint8Array): Uint8Array {
  const last = prefix.at(-1);
  if (last === undefined) return prefix;
  if (last === 0) return prefix.subarray(0, prefix.length - 1);
  const key = new Uint8Array(LIMITS.keyBytes).fill(0xff);
  key.set(prefix);
  key[prefix.length - 1] = last - 1;
  return key;
}
