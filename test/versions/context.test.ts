import fc from '../properties.js';
import { expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import {
  encodeContextText,
  contextFromString,
  decodeContext,
  encodeContext,
} from '../../src/versions/context.js';
import type { Clock } from '../../src/versions/dvvs.js';

const u32 = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constant(0xffff_ffff),
);

const vector: fc.Arbitrary<Clock<never>> = fc
  .uniqueArray(fc.tuple(u32, u32), { selector: ([actor]) => actor, maxLength: 40 })
  .map((pairs) =>
    pairs.toSorted(([a], [b]) => a - b).map(([actor, n]) => ({ actor, n: Math.max(1, n), values: [] })),
  );

/** A context with a true checksum around any version and body: what damage alone cannot produce. */
function forge(body: readonly number[], version = 1): Uint8Array {
  let hash = Math.imul(0x811c_9dc5 ^ version, 0x0100_0193);
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return Uint8Array.from([version, hash, hash >>> 8, hash >>> 16, hash >>> 24, ...body]);
}

function refused(bytes: Uint8Array, what: string): void {
  expect(() => decodeContext(bytes)).toThrowError(
    expect.objectContaining({ code: 'BAD_CONTEXT', message: `The context is ${what}` }),
  );
}

test('every version vector comes back, through bytes and through a string', () => {
  fc.assert(
    fc.property(vector, (clock) => {
      const bytes = encodeContext(clock);
      expect(decodeContext(bytes)).toEqual(clock);
      expect(contextFromString(encodeContextText(clock))).toEqual(bytes);
    }),
    { numRuns: 2_000 },
  );
});

test('golden bytes: version, checksum, gaps and counters', () => {
  const clock = [
    { actor: 3, n: 1, values: [] },
    { actor: 4, n: 300, values: ['left out'] },
    { actor: 0xffff_ffff, n: 0xffff_ffff, values: [] },
  ];
  const body = [3, 1, 0, 0xac, 0x02, 0xfa, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f];
  expect(encodeContext(clock)).toEqual(forge(body));
  expect(encodeContextText(clock)).toBe('ARmcLygDAQCsAvr___8P_____w8');
});

test('a zero counter is left out, so that equal clocks have equal bytes', () => {
  expect(encodeContext([{ actor: 1, n: 0, values: [] }])).toEqual(encodeContext([]));
  expect(decodeContext(encodeContext([]))).toEqual([]);
});

test('every single damaged byte and every cut is noticed', () => {
  fc.assert(
    fc.property(vector, fc.nat(), fc.integer({ min: 1, max: 255 }), (clock, at, flip) => {
      const bytes = encodeContext(clock);
      const damaged = bytes.slice();
      damaged[at % bytes.length]! ^= flip;
      expect(() => decodeContext(damaged)).toThrowError(expect.objectContaining({ code: 'BAD_CONTEXT' }));
      const cut = bytes.subarray(0, at % bytes.length);
      expect(() => decodeContext(cut)).toThrowError(expect.objectContaining({ code: 'BAD_CONTEXT' }));
    }),
    { numRuns: 2_000 },
  );
});

test('random bytes with a true checksum decode to their only form, or are a BAD_CONTEXT', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (body) => {
      const bytes = forge(Array.from(body));
      let clock: Clock<never>;
      try {
        clock = decodeContext(bytes);
      } catch (error) {
        expect(error).toMatchObject({ code: 'BAD_CONTEXT' });
        return;
      }
      expect(encodeContext(clock)).toEqual(bytes);
    }),
    { numRuns: 5_000 },
  );
});

test('malformed contexts are refused even with a true checksum', () => {
  refused(new Uint8Array(0), 'too short');
  refused(forge([1, 1], 2), 'of another version');
  refused(forge([1]), 'cut short');
  refused(forge([1, 0x80]), 'cut short');
  refused(forge([1, 1, 7]), 'cut short');
  refused(forge([1, 0]), 'not in its shortest form');
  refused(forge([0x81, 0x00, 1]), 'not in its shortest form');
  refused(forge([0xff, 0xff, 0xff, 0xff, 0x1f, 1]), 'out of range');
  refused(forge([1, 0xff, 0xff, 0xff, 0xff, 0x1f]), 'out of range');
  refused(forge([0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 1]), 'out of range');
  // After the greatest actor there is none: gap 0 would be actor 2^32.
  refused(forge([0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 1]), 'out of range');
});

test('limits: bytes before anything is read, entries while they are', () => {
  refused(new Uint8Array(LIMITS.contextBytes + 1), 'too long');
  const pairs = (entries: number): number[] => Array.from({ length: entries * 2 }, (_, i) => i % 2);
  expect(decodeContext(forge(pairs(LIMITS.contextEntries)))).toHaveLength(LIMITS.contextEntries);
  refused(forge(pairs(LIMITS.contextEntries + 1)), 'too large');
});

test('the largest clock within the limits fits a context; a larger one is an error', () => {
  const largest = (entries: number): Clock<never> =>
    Array.from({ length: entries }, (_, i) => ({ actor: i * 2_600_000, n: 0xffff_ffff, values: [] }));
  const bytes = encodeContext(largest(LIMITS.contextEntries));
  expect(bytes.length).toBeLessThanOrEqual(LIMITS.contextBytes);
  expect(decodeContext(bytes)).toEqual(largest(LIMITS.contextEntries));
  expect(() => encodeContext(largest(LIMITS.contextEntries + 1))).toThrowError(
    expect.objectContaining({ code: 'INTERNAL', details: { entries: 1_601, limit: 1_600 } }),
  );
});

test('errors carry the numbers', () => {
  expect(() => decodeContext(new Uint8Array(20_000))).toThrowError(
    expect.objectContaining({ details: { bytes: 20_000, limit: LIMITS.contextBytes } }),
  );
});

test('a string is refused unless it is exactly what encodeContextText returns', () => {
  const text = encodeContextText([{ actor: 62, n: 63, values: [] }]);
  for (const bad of [
    `${text}=`,
    ` ${text}`,
    `${text}\n`,
    `${text.slice(0, -1)}B`,
    'a+b/',
    'é',
    'AB',
    'A'.repeat(30_000),
  ]) {
    expect(() => contextFromString(bad), bad.slice(0, 40)).toThrowError(
      expect.objectContaining({ code: 'BAD_CONTEXT' }),
    );
  }
  expect(contextFromString('')).toHaveLength(0);
});
