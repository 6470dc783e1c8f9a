import { createHash } from 'node:crypto';
import fc from '../properties.js';
import { expect, test } from 'vitest';
import { sha1Into } from '../../src/ring/sha1.js';

function ours(bytes: Uint8Array, length = bytes.length): string {
  const out = new Int32Array(5);
  sha1Into(bytes, length, out);
  return Array.from(out, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

function theirs(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

test('SHA-1 agrees with node:crypto for every length from 0 to 300', () => {
  for (let length = 0; length <= 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => (i * 151 + length * 31) & 0xff);
    expect(ours(bytes), `length ${length}`).toBe(theirs(bytes));
  }
});

test('SHA-1 agrees with node:crypto for random keys up to the key limit', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000, size: 'max' }), (bytes) => {
      expect(ours(bytes)).toBe(theirs(bytes));
    }),
    { numRuns: 300 },
  );
});

test('SHA-1 reads no byte beyond the given length', () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => 255 - i);
  for (const length of [0, 3, 13, 55, 56, 63, 64, 65, 128, 199]) {
    expect(ours(bytes, length)).toBe(theirs(bytes.subarray(0, length)));
  }
});
