import { aligned, bucketAt, keyAt, keyLengthAt, partitionAt, verifyRecord } from './record.js';

/** Whether a record of an engine is whole, and stands where its own content says. */
export function isPlaced(partition: number, bucket: number, key: Uint8Array, stored: Uint8Array): boolean {
  if (!verifyRecord(stored)) return false;
  const { words, bytes } = aligned(stored);
  if (partitionAt(words, 0) !== partition || bucketAt(words, 0) !== bucket) return false;
  const start = keyAt(words, 0) * 4;
  const length = keyLengthAt(words, 0);
  if (length !== key.length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== key[i]) return false;
  return true;
}
