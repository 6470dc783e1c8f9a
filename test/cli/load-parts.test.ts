import { describe, expect, test } from 'vitest';
import { compactJson } from '../../src/cli/entries/compact.js';
import { compileKey } from '../../src/cli/load/key-template.js';
import { drawNodeLoad, NodeTally } from '../../src/cli/load/node-load.js';
import { ArraySplitter } from '../../src/cli/load/records.js';
import { SeenKeys } from '../../src/cli/load/seen-keys.js';
import { Window } from '../../src/cli/load/window.js';
import type { RingDescription } from '../../src/client/api.js';

test('what stands before a mistake in an array is read, however the file comes', () => {
  const input = Buffer.from('[{"id":1}, 2] and more');
  for (const pieces of [[input], [...input].map((byte) => Buffer.from([byte]))]) {
    const splitter = new ArraySplitter(1_000);
    const texts: unknown[] = [];
    const readAll = (): void => {
      for (const piece of pieces) texts.push(...splitter.push(piece).map(({ text }) => text));
      splitter.end();
    };
    expect(readAll).toThrow('there is more after the end of the array');
    expect(texts).toEqual(['{"id":1}', '2']);
  }
});

describe('keys', () => {
  const city = {
    country: 'CH',
    name: 'Zürich',
    pos: { lat: '47.4', lng: 8.5 },
    tags: ['a', 'b'],
    none: null,
    yes: true,
  };

  test.each([
    ['country', 'CH'],
    ['pos.lng', '8.5'],
    ['tags.1', 'b'],
    ['yes', 'true'],
    ['#line', '7'],
    ['{country}/{name}/{pos.lat},{pos.lng}', 'CH/Zürich/47.4,8.5'],
    ['{country}-{#line}', 'CH-7'],
  ])('%s', (spec, key) => {
    expect(compileKey(spec)(city, 7, JSON.stringify(city))).toBe(key);
  });

  test.each([
    ['id', 'no field id'],
    ['pos.x', 'no field pos.x'],
    ['constructor', 'no field constructor'],
    ['__proto__', 'no field __proto__'],
    ['country.length', 'no field country.length'],
    ['none', 'is null'],
    ['pos', 'an object or array'],
  ])('a record without a usable %s is a bad one', (spec, message) => {
    expect(() => compileKey(spec)(city, 1, JSON.stringify(city))).toThrow(message);
  });

  test('a record that is no object has no fields, but a number', () => {
    expect(() => compileKey('id')(null, 1, 'null')).toThrow('no field id');
    expect(compileKey('#line')(null, 1, 'null')).toBe('1');
  });

  test.each(['', '{', '{a', 'a}', '{}', '{a{b}}', '{{a}}'])('%j is wrong use', (spec) => {
    expect(() => compileKey(spec)).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error);
  });
});

test('compacting takes white space out and leaves numbers, repeated fields and strings alone', () => {
  expect(compactJson('{"a": [1, 2],\t"b": "x  \\" y"}')).toBe('{"a":[1,2],"b":"x  \\" y"}');
  expect(compactJson('{"id": 12345678901234567890, "a": 1.0, "a": 2}')).toBe(
    '{"id":12345678901234567890,"a":1.0,"a":2}',
  );
  expect(compactJson('"\\\\" ')).toBe('"\\\\"');
  expect(compactJson('{"a":1}')).toBe('{"a":1}');
});

describe('duplicates', () => {
  test('every key seen before counts, through many growths', () => {
    const seen = new SeenKeys();
    for (let i = 0; i < 50_000; i++) seen.add(`key ${i}`);
    expect(seen.duplicates).toBe(0);
    for (let i = 0; i < 50_000; i += 5) seen.add(`key ${i}`);
    expect(seen.duplicates).toBe(10_000);
    expect(seen.incomplete).toBe(false);
  });

  test('a full table is a lower bound', () => {
    const seen = new SeenKeys(8);
    for (let round = 0; round < 2; round++) for (let i = 0; i < 10; i++) seen.add(`key ${i}`);
    expect(seen.duplicates).toBe(6);
    expect(seen.incomplete).toBe(true);
  });
});

test('the window never has more tasks than its size, and drains', async () => {
  const window = new Window(3);
  let running = 0;
  let most = 0;
  for (let i = 0; i < 20; i++) {
    await window.start(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running--;
    });
  }
  await window.drain();
  expect([most, running]).toEqual([3, 0]);
});

describe('load per node', () => {
  const ring = (capacities: number[], lists: string[][]): RingDescription => ({
    partitions: lists.length,
    epoch: 1,
    nodes: capacities.map((capacity, i) => ({
      id: `n${i + 1}`,
      capacity,
      vnodes: [{ id: `n${i + 1}.0`, state: 'serving', incarnation: 1, partitions: 1, suspectedBy: [] }],
    })),
    preferenceLists: lists,
  });

  test('a key counts at the n nodes of its partition, by the top bits of its SHA-1', () => {
    const lists = [
      ['n1.0', 'n2.0', 'n3.0'],
      ['n2.0', 'n3.0', 'n1.0'],
      ['n3.0', 'n1.0', 'n2.0'],
      ['n1.0', 'n3.0', 'n2.0'],
    ];
    const tally = new NodeTally(ring([1, 1, 1], lists), 2);
    // SHA-1("a") begins with 86, SHA-1("b") with e9: partitions 2 and 3 of 4.
    tally.add('a');
    tally.add('b');
    expect(tally.result().map(({ records }) => records)).toEqual([2, 0, 2]);
  });

  test('a node of capacity 2 is in the band with twice the records', () => {
    const lists = [['n1.0'], ['n1.0'], ['n2.0'], ['n1.0']];
    const tally = new NodeTally(ring([2, 1], lists.slice(0, 2).concat(lists.slice(2))), 1);
    for (let i = 0; i < 4_000; i++) tally.add(`key ${i}`);
    const [first, second] = tally.result();
    expect(first!.records + second!.records).toBe(4_000);
    expect(first!.deviation).toBeCloseTo(0.125, 1);
    expect([first!.inBand, second!.inBand]).toEqual([true, false]);
    expect(drawNodeLoad(tally.result())[1]).toMatch(/^ {2}n2 █+ +\d.* OUT OF THE BAND$/);
  });
});
