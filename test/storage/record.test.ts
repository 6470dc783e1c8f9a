import { LIMITS } from '../../src/base/limits.js';
import { describe, expect, it } from 'vitest';
import { Memory } from '../../src/base/memory.js';
import {
  contentIntact,
  headIntact,
  KIND_COUNTER,
  lengthAt,
  sealHead,
  shapeIntact,
  verifyRecord,
  W_HEAD_CHECK,
} from '../../src/storage/record.js';
import {
  compareClocks,
  decodeClock,
  encodeRecord,
  type StoredValue,
} from '../../src/storage/record-codec.js';
import { type Clock, covers, type Entry, equal, sync } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { keyBytesOf, memoryOf, value } from './support.js';

const RUNS = process.env['RINGLET_LONG'] === undefined ? 2_000 : 8_000;

type Random = (below: number) => number;

function randomClock(random: Random, actors = 4, most = 4): Clock<StoredValue> {
  const clock: Entry<StoredValue>[] = [];
  for (let actor = 0; actor < actors; actor++) {
    if (random(3) === 0) continue;
    const n = 1 + random(most);
    const values = Array.from({ length: random(n + 1) }, (_, i) =>
      value(`${actor}:${n - i}`.padEnd(random(40), '.'), {
        contentType: ['application/json', 'image/png', 'application/octet-stream'][random(3)]!,
        time: random(1_000) * 2 ** 41 + actor,
        deleted: random(4) === 0,
      }),
    );
    clock.push({ actor: (actor * 0x3fff_fff1) >>> 0, n: random(5) === 0 ? n + 0xffff_0000 : n, values });
  }
  return clock.sort((a, b) => a.actor - b.actor);
}

function encode(clock: Clock<StoredValue>, key = 'key', kind = 0): Uint8Array {
  const { words, bytes } = encodeRecord(
    { hash: -5, partition: 4_095, bucket: 65_535 },
    keyBytesOf(key),
    kind,
    clock,
  );
  sealHead(words, 0, 2 ** 40 + 3, 9, 2 ** 32 + 1);
  return bytes.slice(0, lengthAt(words, 0));
}

describe('record', () => {
  it('keeps its golden bytes', () => {
    const bytes = encode(
      [
        {
          actor: 2,
          n: 3,
          values: [value('ab', { time: 1.5 }), value('', { deleted: true, contentType: 'x/y', time: 0 })],
        },
        { actor: 0xffff_ffff, n: 1, values: [] },
      ],
      'hello',
      KIND_COUNTER,
    );
    expect(Buffer.from(bytes).toString('hex').match(/.{8}/g)).toEqual([
      '811823dd',
      '70000000',
      '03000000',
      '00010000',
      '09000000',
      '01000000',
      'c6dca925',
      'fbffffff',
      'ffffff0f',
      '05100200',
      '02000000',
      '03000000',
      '02000000',
      'ffffffff',
      '01000000',
      '00000000',
      '02000000',
      '00000001',
      '00000000',
      '0000f83f',
      '00000000',
      '030001ff',
      '00000000',
      '00000000',
      '68656c6c',
      '6f000000',
      '61620000',
      '782f7900',
    ]);
  });

  it('comes back as it was put in, for random clocks with all kinds of values', () => {
    for (let seed = 0; seed < 500; seed++) {
      const clock = randomClock(seeded(seed));
      const bytes = encode(clock, 'k'.repeat(1 + (seed % 9)));
      const { words, bytes: own } = memoryOf(bytes);
      expect(verifyRecord(bytes)).toBe(true);
      const back = decodeClock(words, own, 0).map((entry) => ({
        ...entry,
        values: entry.values.map((one) => ({ ...one, bytes: Uint8Array.from(one.bytes) })),
      }));
      expect(back).toEqual(clock);
    }
  });

  it('shows every changed byte, a missing end and an added one', () => {
    const bytes = encode(randomClock(seeded(3)));
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        bytes[at]! ^= flip;
        expect(verifyRecord(bytes), `byte ${at} ^ ${flip}`).toBe(false);
        bytes[at]! ^= flip;
      }
    }
    for (let length = 0; length < bytes.length; length++)
      expect(verifyRecord(bytes.subarray(0, length))).toBe(false);
    expect(verifyRecord(Uint8Array.of(...bytes, 0, 0, 0, 0, 0, 0, 0, 0))).toBe(false);
    expect(verifyRecord(bytes)).toBe(true);
  });

  it('random words never throw, and whatever passes the shape check decodes within the record', () => {
    const extremes = [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0xffff, 0x10000, 0x7fff_fffc, 2, -4];
    let passed = 0;
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed);
      const good = encode(randomClock(random));
      const { words } = memoryOf(good);
      const guard = Memory.allocate(good.length + 4_096);
      guard.words.fill(0x6b6b6b6b);
      guard.words.set(words);
      for (let changes = random(3); changes >= 0; changes--) {
        const at = 1 + random(Math.min(words.length - 1, 24));
        guard.words[at] =
          random(2) === 0 ? extremes[random(extremes.length)]! : guard.words[at]! + random(5) - 2;
      }
      const end = good.length >>> 2;
      expect(() => headIntact(guard.words, 0, end)).not.toThrow();
      if (lengthAt(guard.words, 0) === good.length) expect(() => contentIntact(guard.words, 0)).not.toThrow();
      if (!shapeIntact(guard.words, 0, end)) continue;
      passed++;
      for (const entry of decodeClock(guard.words, guard.bytes, 0)) {
        expect(entry.values.length).toBeLessThanOrEqual(entry.n);
        for (const one of entry.values) {
          expect(one.bytes.byteOffset + one.bytes.length).toBeLessThanOrEqual(good.length);
        }
      }
    }
    expect(passed).toBeGreaterThan(RUNS / 20);
  });

  it('of a longer key or another partition than an engine takes has no whole shape', () => {
    const clock = [{ actor: 1, n: 1, values: [value('v')] }];
    const isWhole = (keyBytes: number, partition: number): boolean => {
      const { words } = encodeRecord(
        { hash: 1, partition, bucket: 1 },
        new Uint8Array(keyBytes).fill(65),
        0,
        clock,
      );
      return shapeIntact(words, 0, lengthAt(words, 0) >>> 2);
    };
    const most = LIMITS.keyBytes + LIMITS.hintNameBytes;
    expect(isWhole(most, LIMITS.partitions - 1)).toBe(true);
    expect(isWhole(most + 1, 0)).toBe(false);
    expect(isWhole(1, LIMITS.partitions)).toBe(false);
  });

  it('compares clocks as versions/dvvs.ts covers and equal do', () => {
    const met = new Set<string>();
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed);
      const a = randomClock(random, 3, 3);
      const other = randomClock(random, 3, 3);
      const b = random(3) === 0 ? sync(a, other) : random(4) === 0 ? a : other;
      const left = memoryOf(encode(a)).words;
      const right = memoryOf(encode(b)).words;
      const expected = equal(a, b) ? 'equal' : covers(a, b) ? 'newer' : covers(b, a) ? 'older' : 'concurrent';
      expect(compareClocks(left, 0, right, 0), `seed ${seed}`).toBe(expected);
      met.add(expected);
    }
    expect(met.size).toBe(4);
    expect(W_HEAD_CHECK).toBe(0);
  });
});
