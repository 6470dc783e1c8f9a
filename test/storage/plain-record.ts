import {
  ENTRY_WORDS,
  FIXED_WORDS,
  keyWordOf,
  KIND_PLAIN,
  META_WORDS,
  recordBytes,
  sealContent,
  sealHead,
  W_KEY,
  W_LENGTH,
  W_PLACE,
  wordsFor,
} from '../../src/storage/record.js';

export function keyOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A whole record with one clock entry and one value, as the storage keeps it. */
export function plainRecord(partition: number, bucket: number, key: string, value: string): Uint8Array {
  const keyBytes = keyOf(key);
  const valueBytes = keyOf(value);
  const words = new Int32Array(recordBytes(1, 1, keyBytes.length, wordsFor(valueBytes.length)) / 4);
  const bytes = new Uint8Array(words.buffer);
  words[W_LENGTH] = bytes.length;
  words[W_PLACE] = bucket | (partition << 16);
  words[W_KEY] = keyWordOf(keyBytes.length, KIND_PLAIN, 1);
  words.set([256, 1, 1], FIXED_WORDS);
  words.set([valueBytes.length, 0, 0, 0], FIXED_WORDS + ENTRY_WORDS);
  const keyAt = FIXED_WORDS + ENTRY_WORDS + META_WORDS;
  bytes.set(keyBytes, keyAt * 4);
  bytes.set(valueBytes, (keyAt + wordsFor(keyBytes.length)) * 4);
  sealContent(words, 0);
  sealHead(words, 0, 1, 1, 0);
  return bytes;
}
