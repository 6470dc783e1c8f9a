import fc from '../properties.js';
import { expect, test } from 'vitest';
import { packBytes, unpackBytes } from '../../src/base/memory.js';

/** Short ones take a loop, long ones `set`. */
const bytesOf = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 500, maxLength: 530 }));

test('bytes packed into words and unpacked again are the same, and nothing beside them changes', () => {
  fc.assert(
    fc.property(bytesOf, fc.nat(7), fc.nat(3), fc.nat(7), (value, before, word, after) => {
      const from = new Uint8Array(before + value.length + 5).fill(0xee);
      from.set(value, before);
      const words = new Int32Array(new SharedArrayBuffer(1024)).fill(-1);
      packBytes(from, before, words, word, value.length);
      const packed = Math.ceil(value.length / 4);
      const bytes = new Uint8Array(words.buffer).slice(word * 4, (word + packed) * 4);
      expect([...bytes]).toEqual([...value, ...Array.from({ length: bytes.length - value.length }, () => 0)]);
      expect(words.slice(0, word).every((one) => one === -1)).toBe(true);
      expect(words.slice(word + packed).every((one) => one === -1)).toBe(true);

      const to = new Uint8Array(after + value.length + 5).fill(0xdd);
      unpackBytes(words, word, to, after, value.length);
      expect(to.slice(after, after + value.length)).toEqual(value);
      expect([...to.slice(0, after), ...to.slice(after + value.length)].every((one) => one === 0xdd)).toBe(
        true,
      );
    }),
  );
});
