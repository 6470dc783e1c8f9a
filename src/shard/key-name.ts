import { sha1Into } from '../ring/sha1.js';
import { bucketAt, keyAt, keyLengthAt, partitionAt, W_KEY_HASH } from '../storage/record.js';
import type { Place } from '../storage/record-codec.js';

/** A key and where it belongs. */
export interface NamedKey extends Place {
  readonly key: Uint8Array;
}

/** Bytes in front of the key: hash (4), partition (2), bucket (2). */
const PLACE_BYTES = 8;

/** A key as a string, for lists in memory: an object for each would take several times as much. */
export function nameOf({ hash, partition, bucket, key }: NamedKey): string {
  const name = Buffer.allocUnsafe(PLACE_BYTES + key.length);
  name.writeInt32LE(hash, 0);
  name.writeUInt16LE(partition, 4);
  name.writeUInt16LE(bucket, 6);
  name.set(key, PLACE_BYTES);
  return name.toString('latin1');
}

export function keyOfName(name: string): NamedKey {
  const bytes = Buffer.from(name, 'latin1');
  return {
    hash: bytes.readInt32LE(0),
    partition: bytes.readUInt16LE(4),
    bucket: bytes.readUInt16LE(6),
    key: Uint8Array.from(bytes.subarray(PLACE_BYTES)),
  };
}

/** The key of a record, in ordinary memory. */
export function keyOfRecord(words: Int32Array, at: number): NamedKey {
  const start = words.byteOffset + keyAt(words, at) * 4;
  return {
    hash: words[at + W_KEY_HASH]!,
    partition: partitionAt(words, at),
    bucket: bucketAt(words, at),
    key: new Uint8Array(words.buffer, start, keyLengthAt(words, at)).slice(),
  };
}

/** The hash that callers send with a key (client/key-router.ts), for one whose record cannot be read. */
export function hashOfKey(key: Uint8Array): number {
  const digest = new Int32Array(5);
  sha1Into(key, key.length, digest);
  return digest[1]!;
}
