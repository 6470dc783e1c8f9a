import { paddedWords } from '../base/memory.js';
import { hintName, type OwnerName } from '../shard/hint-record.js';
import { HINT_BUCKET } from '../storage/record.js';
import { rowName } from './engine.js';

/** Under what a record stands: in an object buffer by hash and key, in an engine by the name of its row. */
export interface StoredKey {
  readonly hash: number;
  readonly partition: number;
  readonly bucket: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly row: string;
}

export function storedKey(hash: number, partition: number, bucket: number, bytes: Uint8Array): StoredKey {
  return {
    hash,
    partition,
    bucket,
    bytes,
    words: paddedWords(bytes),
    row: rowName(partition, bucket, bytes),
  };
}

/** The hint that says that a key must go to an owner, at whoever holds it. */
export function hintKey(owner: OwnerName, { hash, partition, bucket, bytes }: StoredKey): StoredKey {
  return storedKey(hash ^ owner.hash, partition, HINT_BUCKET, hintName(owner, { bucket, key: bytes }));
}
