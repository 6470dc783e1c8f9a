import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { writeDouble } from '../../src/base/memory.js';
import * as F from '../../src/messaging/frames.js';
import { reach } from './frame-reach.js';
import { FRAME_SAMPLES, frameOf } from './frame-samples.js';

const RUNS = process.env['RINGLET_LONG'] === undefined ? 4_000 : 20_000;

describe('frames as bytes', () => {
  test.each(FRAME_SAMPLES)('$name', (sample) => {
    const frame = frameOf(sample);
    expect(Buffer.from(frame.buffer).toString('hex')).toBe(sample.hex);
    expect(F.frameIntact(frame, 0)).toBe(true);
    expect(F.frameType(frame, 0)).toBe(sample.type);
    expect(F.frameVersion(frame, 0)).toBe(F.FRAME_VERSION);
    expect(F.frameFlags(frame, 0)).toBe(2);
    expect(F.frameRequest(frame, 0)).toBe(0x80000007);
    expect(F.frameEpoch(frame, 0)).toBe(0xbaadf00d);
    expect(F.frameDeadline(frame, 0)).toBe(1_000);
  });

  test('a sum and an increment are doubles at their places', () => {
    const put = frameOf(FRAME_SAMPLES[0]!);
    writeDouble(put, 14, -2.5);
    expect(Buffer.from(put.buffer).readDoubleLE(56)).toBe(-2.5);
    const reply = frameOf(FRAME_SAMPLES[1]!);
    writeDouble(reply, 10, 2 ** 53);
    expect(Buffer.from(reply.buffer).readDoubleLE(40)).toBe(2 ** 53);
  });
});

const word = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.nat(64),
  fc.constantFrom(
    -1,
    -8,
    -4,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31 - 8,
    0xffff,
    0x10000,
    -65_536,
    2 ** 30,
    2 ** 29,
  ),
);

describe('a damaged frame', () => {
  const check = (memory: Int32Array, at: number): void => {
    if (!F.frameIntact(memory, at)) return;
    expect(memory[at]! >= 32 && at + memory[at]! / 4 <= memory.length).toBe(true);
    expect(reach(memory, at) <= BigInt(memory[at]! / 4)).toBe(true);
  };

  test('is never read beyond its end, whatever words there are', () => {
    const type = fc.oneof(
      fc.integer({ min: 1, max: 12 }).map((t) => t | (F.FRAME_VERSION << 8)),
      fc.integer({ min: F.TREE_COMPARE, max: F.TREE_PUSHED }).map((t) => t | (F.FRAME_VERSION << 8)),
      word,
    );
    const length = fc.oneof(
      fc.nat(40).map((words) => words * 8),
      word,
    );
    fc.assert(
      fc.property(
        length,
        type,
        fc.array(word, { maxLength: 40 }),
        fc.integer({ min: -2, max: 50 }),
        (bytes, kind, rest, at) => {
          const memory = Int32Array.of(bytes, kind, ...rest);
          check(memory, 0);
          check(memory, at);
          check(
            Int32Array.of(...Array.from({ length: Math.max(0, at) }, () => -1), ...memory),
            Math.max(0, at),
          );
        },
      ),
      { numRuns: RUNS },
    );
  });

  test('made from a good one by changing a few words is refused, or still whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FRAME_SAMPLES),
        fc.array(fc.tuple(fc.nat(25), word), { minLength: 1, maxLength: 3 }),
        fc.nat(3),
        (sample, changes, places) => {
          const memory = frameOf(sample, places * 2);
          for (const [at, value] of changes) memory[places * 2 + at] = value;
          check(memory, places * 2);
        },
      ),
      { numRuns: RUNS },
    );
  });

  test.each(FRAME_SAMPLES)(
    '$name: cut short by a word pair, or longer than its memory, it is refused',
    (sample) => {
      const whole = frameOf(sample);
      const cut = whole.slice(0, whole.length - 2);
      expect(F.frameIntact(cut, 0)).toBe(false);
      cut[0] = cut.length * 4;
      expect(F.frameIntact(cut, 0)).toBe(false);
      for (const bytes of [-whole[0]!, 0, 4, whole[0]! + 8, 2 ** 31 - 8, -(2 ** 31), whole[0]! - 4]) {
        const changed = whole.slice();
        changed[0] = bytes;
        expect(F.frameIntact(changed, 0)).toBe(false);
      }
    },
  );

  test.each([
    ['PUT', F.PUT, 9, LIMITS.keyBytes],
    ['PUT, content type', F.PUT, 13, LIMITS.contentTypeBytes],
    ['GET', F.GET, 9, LIMITS.keyBytes],
    ['SCAN', F.SCAN, 9, LIMITS.keyBytes],
  ])('%s: longer than any that a record has room for, it is refused', (_name, type, word, most) => {
    for (const [bytes, intact] of [
      [most, true],
      [most + 1, false],
    ] as const) {
      const frame = new Int32Array(1_024);
      frame[0] = 4_096;
      F.writeHeader(frame, 0, type, 0, 1, 1, 1_000);
      frame[6] = 1;
      frame[9] = 3;
      frame[word] = bytes;
      expect(F.frameIntact(frame, 0), `${bytes}`).toBe(intact);
    }
  });

  test.each([
    ['PUT', F.PUT],
    ['GET', F.GET],
    ['SCAN', F.SCAN],
  ])('%s of a partition that no store has is refused', (_name, type) => {
    for (const partition of [LIMITS.partitions - 1, LIMITS.partitions, 0xffff]) {
      const frame = new Int32Array(32);
      frame[0] = 128;
      F.writeHeader(frame, 0, type, 0, 1, 1, 1_000);
      frame[6] = 1;
      frame[8] = 1 | (partition << 16);
      frame[9] = 3;
      expect(F.frameIntact(frame, 0), `${partition}`).toBe(partition < LIMITS.partitions);
    }
  });

  test('of another version or type is refused', () => {
    for (const sample of FRAME_SAMPLES) {
      const frame = frameOf(sample);
      for (const kind of [
        sample.type | (2 << 8),
        sample.type,
        0 | (1 << 8),
        200 | (1 << 8),
        255 | (1 << 8),
        -1,
      ]) {
        frame[1] = kind;
        expect(F.frameIntact(frame, 0)).toBe(false);
      }
    }
  });
});
