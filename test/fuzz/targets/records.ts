import assert from 'node:assert/strict';
import { decodeClock, encodeRecord } from '../../../src/storage/record-codec.js';
import {
  bucketAt,
  firstExpiryAt,
  keyAt,
  keyLengthAt,
  kindAt,
  lengthAt,
  mortalityOf,
  partitionAt,
  sealContent,
  sealHead,
  shapeIntact,
  verifyRecord,
  W_KEY_HASH,
  W_LENGTH,
} from '../../../src/storage/record.js';
import { plainRecord } from '../../storage/plain-record.js';
import type { Target } from '../target.js';

/** Records on disk: damage never gets through, and with true checksums nothing is read beyond the end. */
export function recordsTarget(): Target {
  return { name: 'records', seeds: [plainRecord(3, 1, 'key', 'value'), ...made()], check };
}

function made(): Uint8Array[] {
  const value = { bytes: Buffer.from('v'), contentType: 'image/png', time: 5, deleted: false };
  const clocks = [
    [{ actor: 7, n: 3, values: [value, { ...value, deleted: true }] }],
    [
      { actor: 1, n: 0xffff_ffff, values: [] },
      { actor: 9, n: 1, values: [{ ...value, expiresAtMs: 1e12, contentType: 'application/json' }] },
    ],
  ];
  return clocks.map((clock) => {
    const { words, bytes } = encodeRecord({ hash: 1, partition: 2, bucket: 3 }, Buffer.from('k'), 0, clock);
    sealHead(words, 0, 1, 1, 0);
    return bytes.slice(0, lengthAt(words, 0));
  });
}

function check(input: Buffer): void {
  verifyRecord(input);
  const words = new Int32Array((input.length >>> 3) * 2);
  const bytes = new Uint8Array(words.buffer);
  bytes.set(input.subarray(0, bytes.length));
  if (words.length < 12) return;
  words[W_LENGTH] = bytes.length;
  sealContent(words, 0);
  sealHead(words, 0, 1, 1, 0);
  const intact = shapeIntact(words, 0, words.length);
  assert.equal(verifyRecord(bytes), intact);
  if (!intact) return;
  const clock = decodeClock(words, bytes, 0);
  for (const { n, values } of clock) {
    assert.ok(values.length <= n);
    for (const value of values) assert.ok(value.bytes.byteOffset + value.bytes.length <= bytes.length);
  }
  mortalityOf(words, 0);
  firstExpiryAt(words, 0);
  const key = bytes.slice(keyAt(words, 0) * 4, keyAt(words, 0) * 4 + keyLengthAt(words, 0));
  const place = { hash: words[W_KEY_HASH]!, partition: partitionAt(words, 0), bucket: bucketAt(words, 0) };
  const again = encodeRecord(place, key, kindAt(words, 0), clock);
  assert.equal(JSON.stringify(decodeClock(again.words, again.bytes, 0)), JSON.stringify(clock));
}
