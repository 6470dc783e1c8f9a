import { expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { beforePrefix } from '../../src/client/scan-cursor.js';
import { compareBytes } from '../../src/shard/key-list.js';
import fc from '../properties.js';

it('pages for a prefix begin behind all keys below it, and before all keys with it, the longest included', () => {
  const byte = fc.constantFrom(0, 1, 2, 0x7f, 0xfe, 0xff);
  const bytes = fc.array(byte, { minLength: 1, maxLength: 4 }).map((list) => Uint8Array.from(list));
  const longest = (start: Uint8Array): Uint8Array => {
    const key = new Uint8Array(LIMITS.keyBytes).fill(0xff);
    key.set(start);
    return key;
  };
  const key = fc.tuple(bytes, fc.boolean()).map(([start, long]) => (long ? longest(start) : start));
  fc.assert(
    fc.property(bytes, key, (prefix, one) => {
      const after = beforePrefix(prefix);
      expect(after.length).toBeLessThanOrEqual(LIMITS.keyBytes);
      expect(compareBytes(one, after) > 0).toBe(compareBytes(one, prefix) >= 0);
    }),
    { numRuns: 2_000 },
  );
});
