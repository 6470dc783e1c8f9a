import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { writeDouble } from '../../src/base/memory.js';
import * as F from '../../src/messaging/frames.js';

/**
 * One frame of each type, field by field as frames.ts describes them, and its bytes. The bytes
 * never change: a frame of another shape has another version.
 */
interface Sample {
  readonly name: string;
  readonly type: number;
  readonly words: readonly number[];
  readonly hex: string;
}

const RECORD = [0, 16, 3, 4];
const RECORD_HEX = '00000000 10000000 03000000 04000000';
/** Length, type, version 1, flags 2, request 0x80000007, epoch 0xbaadf00d, deadline 1000.0. */
function headOf(bytes: string, type: string): string {
  return `${bytes}000000${type}010200070000800df0adba0000000000408f40`;
}

function packed(hex: string): string {
  return hex.replaceAll(' ', '');
}

const SAMPLES: readonly Sample[] = [
  {
    name: 'PUT',
    type: F.PUT,
    // One context entry (5, 9), key "key", content type "a", value "vvvvv".
    words: [
      2,
      0x1234,
      3 | (7 << 16),
      3 | (1 << 16),
      1 | (2 << 8) | (2 << 16) | (3 << 24),
      1 | (2 << 8) | (2 << 16) | (255 << 24),
      5,
      1,
      0,
      0,
      5,
      9,
      0x79656b,
      0x61,
      0x76767676,
      0x76,
    ],
    hex: packed(
      headOf('58', '01') +
        '02000000 34120000 03000700 03000100 01020203 010202ff 05000000 01000000 0000000000000000 05000000 09000000 6b657900 61000000 76767676 76000000',
    ),
  },
  {
    name: 'PUT_REPLY',
    type: F.PUT_REPLY,
    words: [F.OK, 2, 3, 1, 0, 0, 5, 9],
    hex: packed(
      headOf('38', '02') + '00000000 02000000 03000000 01000000 0000000000000000 05000000 09000000',
    ),
  },
  {
    name: 'GET',
    type: F.GET,
    words: [0, 0x1234, 3 | (7 << 16), 5, 0x6579656b, 0x21],
    hex: packed(headOf('30', '03') + '00000000 34120000 03000700 05000000 6b657965 21000000'),
  },
  {
    name: 'GET_REPLY',
    type: F.GET_REPLY,
    words: [F.OK, 0, ...RECORD],
    hex: packed(headOf('30', '04') + '00000000 00000000' + RECORD_HEX),
  },
  {
    name: 'REPLICATE',
    type: F.REPLICATE,
    words: [2 | (1 << 8), 0, ...RECORD],
    hex: packed(headOf('30', '05') + '02010000 00000000' + RECORD_HEX),
  },
  {
    name: 'REPLICATE_ACK',
    type: F.REPLICATE_ACK,
    words: [F.OUT_FULL, 0],
    hex: packed(headOf('20', '06') + '06000000 00000000'),
  },
  {
    name: 'SCAN',
    type: F.SCAN,
    words: [100, 4_096, 3 | (7 << 16), 2, 0x6261, 0],
    hex: packed(headOf('30', '07') + '64000000 00100000 03000700 02000000 61620000 00000000'),
  },
  {
    name: 'SCAN_REPLY',
    type: F.SCAN_REPLY,
    words: [F.OK, 2, 1, 0, ...RECORD, ...RECORD],
    hex: packed(headOf('48', '08') + '00000000 02000000 01000000 00000000' + RECORD_HEX + RECORD_HEX),
  },
];

function frameOf({ type, words }: Sample, at = 0): Int32Array {
  const frame = new Int32Array(at + F.FRAME_HEADER_WORDS + words.length);
  frame[at] = (F.FRAME_HEADER_WORDS + words.length) * 4;
  F.writeHeader(frame, at, type, 2, 0x80000007, 0xbaadf00d, 1_000);
  frame.set(words, at + F.FRAME_HEADER_WORDS);
  return frame;
}

describe('frames as bytes', () => {
  test.each(SAMPLES)('$name', (sample) => {
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
    const put = frameOf(SAMPLES[0]!);
    writeDouble(put, 14, -2.5);
    expect(Buffer.from(put.buffer).readDoubleLE(56)).toBe(-2.5);
    const reply = frameOf(SAMPLES[1]!);
    writeDouble(reply, 10, 2 ** 53);
    expect(Buffer.from(reply.buffer).readDoubleLE(40)).toBe(2 ** 53);
  });
});

/** What a handler reads of a frame that was found intact: how far each part goes, computed with big numbers. */
function reach(frame: Int32Array, at: number): bigint {
  const word = (i: number): bigint => BigInt(frame[at + i]!);
  const padded = (bytes: bigint): bigint => (bytes + 3n) / 4n;
  const half = (i: number): bigint => word(i) & 0xffffn;
  const upper = (i: number): bigint => (word(i) >> 16n) & 0xffffn;
  switch (F.frameType(frame, at)) {
    case F.PUT:
      expect(word(12) >= 0n && word(13) >= 0n && half(9) > 0n).toBe(true);
      return 16n + upper(9) * 2n + padded(half(9)) + padded(word(12)) + padded(word(13));
    case F.PUT_REPLY:
      expect(word(9) >= 0n).toBe(true);
      return 12n + 2n * word(9);
    case F.GET:
    case F.SCAN:
      return 10n + padded(half(9));
    case F.GET_REPLY:
    case F.REPLICATE: {
      const none = F.frameType(frame, at) === F.GET_REPLY && frame[at + 6] !== F.OK;
      if (!none) expect(word(9) >= 8n).toBe(true);
      return none ? 8n : 8n + padded(word(9));
    }
    case F.SCAN_REPLY: {
      let end = 10n;
      for (let i = 0n; i < word(7); i++) {
        const bytes = word(Number(end) + 1);
        expect(bytes >= 8n).toBe(true);
        end += padded(bytes);
      }
      return end;
    }
    default:
      return 8n;
  }
}

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
      fc.integer({ min: 1, max: 8 }).map((t) => t | (F.FRAME_VERSION << 8)),
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
      { numRuns: 20_000 },
    );
  });

  test('made from a good one by changing a few words is refused, or still whole', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SAMPLES),
        fc.array(fc.tuple(fc.nat(25), word), { minLength: 1, maxLength: 3 }),
        fc.nat(3),
        (sample, changes, places) => {
          const memory = frameOf(sample, places * 2);
          for (const [at, value] of changes) memory[places * 2 + at] = value;
          check(memory, places * 2);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  test.each(SAMPLES)(
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

  test('of another version or type is refused', () => {
    for (const sample of SAMPLES) {
      const frame = frameOf(sample);
      for (const kind of [
        sample.type | (2 << 8),
        sample.type,
        0 | (1 << 8),
        9 | (1 << 8),
        255 | (1 << 8),
        -1,
      ]) {
        frame[1] = kind;
        expect(F.frameIntact(frame, 0)).toBe(false);
      }
    }
  });
});
