import { describe, expect, it } from 'vitest';
import { LOG_SEGMENT, TABLE, type BufferShape } from '../../src/storage/buffer-layout.js';
import { findRecord, KeyIndex } from '../../src/storage/key-index.js';
import { seeded } from '../versions/model.js';
import { keyBytesOf, record, shared, value } from './support.js';

const LONG = process.env['RINGLET_LONG'] !== undefined;
const SHAPE: BufferShape = { bytes: 8 * 262_144, segmentBytes: 262_144, segments: 8, maxTableBits: 14 };

/** Records at fixed places to point at: two versions of each key. */
function world(keys: number): {
  words: Int32Array;
  index: KeyIndex;
  names: string[];
  places: [number, number][];
  layout: ReturnType<typeof shared>['layout'];
} {
  const { open, layout } = shared(SHAPE);
  const buffer = open();
  const names = Array.from({ length: keys }, (_, i) => `key-${i}`);
  const places = names.map((name): [number, number] => {
    const both = [1, 2].map((n) => {
      const { words, bytes } = record(name, [{ actor: 1, n, values: [value('v')] }]);
      if (!buffer.hasRoom(LOG_SEGMENT, bytes)) buffer.open(LOG_SEGMENT);
      const at = buffer.place(LOG_SEGMENT, bytes);
      buffer.words.set(words, at);
      // Takes the room without an entry in the index.
      const used = layout.segmentWord(buffer.segment(LOG_SEGMENT)) + 2;
      buffer.words[used] = buffer.words[used]! + bytes;
      return at * 4;
    });
    return [both[0]!, both[1]!];
  });
  return { words: buffer.words, index: buffer.index, names, places, layout };
}

/** Many keys share a hash, some have hash 0, some are negative. */
function hash(i: number): number {
  return Math.imul(i % 97, 0x9e3779b1) | 0;
}

describe('key index', () => {
  it('agrees with a map under random sets, unlinks and look-ups, while it grows a slice at a time', () => {
    for (let seed = 0; seed < (LONG ? 6 : 4); seed++) {
      const random = seeded(seed);
      const { words, index, names, places, layout } = world(seed % 2 === 0 ? 400 : 9_000);
      const hashFor = (i: number): number => (seed % 2 === 0 ? hash(i) : Math.imul(i, 0x9e3779b1) | 0);
      const model = new Map<number, number>();
      const keys = names.map((name) => record(name, []).key);
      const find = (i: number): number => index.find(hashFor(i), 1, keys[i]!, keyBytesOf(names[i]!).length);
      let tables = 0;
      for (let step = 0; step < (seed % 2 === 0 ? 12_000 : LONG ? 50_000 : 25_000); step++) {
        const i = random(names.length);
        const known = model.get(i) ?? 0;
        switch (random(4)) {
          case 0:
          case 1: {
            const byte = places[i]![random(2)]!;
            if (index.exhausted) break;
            if (index.set(hashFor(i), 1, keys[i]!, keyBytesOf(names[i]!).length, byte) !== known)
              expect.fail(`seed ${seed} step ${step}: set`);
            model.set(i, byte);
            break;
          }
          case 2:
            if (known === 0) break;
            if (index.unlink(hashFor(i), known === places[i]![0] ? places[i]![1] : places[i]![0])) {
              expect.fail(`seed ${seed} step ${step}: an older record was unlinked`);
            }
            if (!index.unlink(hashFor(i), known)) expect.fail(`seed ${seed} step ${step}: unlink`);
            model.delete(i);
            break;
          default:
            if (find(i) !== known) expect(find(i), `seed ${seed} step ${step}`).toBe(known);
        }
        // Several changes between two slices of a growth.
        if (random(40) === 0) {
          if (index.needsFreeRegion) index.regionFree();
          if (index.step()) tables++;
        }
      }
      for (let i = 0; i < names.length; i++) expect(find(i)).toBe(model.get(i) ?? 0);
      expect(index.keys).toBe(model.size);
      // A successor sees the same.
      const next = new KeyIndex(words, layout);
      expect(next.keys).toBe(model.size);
      for (let i = 0; i < names.length; i++) {
        expect(next.find(hashFor(i), 1, keys[i]!, keyBytesOf(names[i]!).length)).toBe(model.get(i) ?? 0);
      }
      if (seed % 2 === 1) expect(tables).toBeGreaterThan(0);
    }
  });

  it('a reader that holds the old table finds every record that was there when the table was left', () => {
    const { words, index, names, places, layout } = world(1_500);
    const key = (i: number): Int32Array => record(names[i]!, []).key;
    const set = (i: number): void => {
      index.set(Math.imul(i, 0x9e3779b1) | 0, 1, key(i), keyBytesOf(names[i]!).length, places[i]![0]);
    };
    for (let i = 0; i < 800; i++) set(i);
    index.regionFree();
    const old = words[TABLE]!;
    for (let i = 800; words[TABLE] === old; i++) {
      set(i);
      index.step();
    }
    const current = words[TABLE]!;
    words[TABLE] = old;
    for (let i = 0; i < 800; i++) {
      const found = findRecord(
        words,
        layout,
        Math.imul(i, 0x9e3779b1) | 0,
        1,
        key(i),
        keyBytesOf(names[i]!).length,
      );
      expect(found).toBe(places[i]![0]);
    }
    words[TABLE] = current;
    // Until its readers are gone the region that they look at is not touched.
    expect(index.growing).toBe(false);
  });

  it('is exhausted before a probe could run for ever, also when the next table is the smaller one', () => {
    const { index, names, places } = world(4_000);
    const set = (i: number): void => {
      index.set(
        Math.imul(i, 0x9e3779b1) | 0,
        1,
        record(names[i]!, []).key,
        keyBytesOf(names[i]!).length,
        places[i]![0],
      );
    };
    const grow = (): void => {
      for (let i = 0; i < 30; i++) {
        if (index.needsFreeRegion) index.regionFree();
        index.step();
      }
    };
    for (let i = 0; i < 3_900; i++) {
      set(i);
      if (index.exhausted) grow();
    }
    grow();
    // Nearly everything goes: the next table will be small, and is begun only once dead slots fill this one.
    for (let i = 0; i < 3_900; i++) index.unlink(Math.imul(i, 0x9e3779b1) | 0, places[i]![0]);
    for (let round = 0; !index.growing; round++) {
      if (index.needsFreeRegion) index.regionFree();
      const h = (0x1000_0000 + round * 7919) | 0;
      index.set(h, 1, record(names[0]!, []).key, keyBytesOf(names[0]!).length, places[0]![0]);
      index.unlink(h, places[0]![0]);
    }
    index.regionFree();
    index.step();
    let taken = 0;
    for (let i = 1; i < 3_900 && !index.exhausted; i++, taken++) set(i);
    expect(taken).toBeLessThan(1_024);
    expect(index.exhausted).toBe(true);
    grow();
    expect(index.exhausted).toBe(false);
  });

  it('the largest table is not rebuilt for ever when it is merely well filled', () => {
    const shape = { ...SHAPE, maxTableBits: 10 };
    const { open } = shared(shape);
    const { index } = open();
    const key = record('one', []).key;
    // Distinct hashes make distinct keys as far as slots are concerned.
    const { words, bytes } = record('one', []);
    const buffer = open();
    buffer.open(LOG_SEGMENT);
    const at = buffer.place(LOG_SEGMENT, bytes);
    buffer.words.set(words, at);
    for (let i = 0; i < 800; i++) index.set(((i + 1) * 2_654_435) | 0, 1, key, 3, at * 4);
    index.regionFree();
    expect(index.growing).toBe(false);
    expect(index.exhausted).toBe(false);
  });
});
