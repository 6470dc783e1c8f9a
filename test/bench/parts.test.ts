import { expect, test } from 'vitest';
import { GcTrace } from '../../bench/cases/gc-trace.js';
import { PlainVectorKey } from '../../bench/divergence/plain-vectors.js';
import { concurrentWriters } from '../../bench/divergence/writers.js';
import { AcknowledgedWrites } from '../../bench/durability/acknowledged.js';
import { efficiencyRows, joinRows, scaleRows } from '../../bench/partitioning/calculate.js';
import { parseSla, slaOption, slaText } from '../../bench/suite/sla.js';

const FIGURE_8 = { nodes: 30, replicas: 3, seeds: 25, mostNodes: 100, joins: [4, 16] };

test('the three strategies are within 0.03 of the table computed for Figure 8 (S=30, N=3, 25 seeds); ours is at 1', () => {
  const rows = efficiencyRows(FIGURE_8);
  for (const row of rows) {
    if (row['strategy'] === 4) expect(row['efficiency']).toBeGreaterThanOrEqual(0.99);
    else expect(row['off'], row.setting).toBeLessThanOrEqual(0.03);
  }
  expect(rows).toHaveLength(40);
  expect(scaleRows(FIGURE_8, 1).every((row) => Number(row['efficiency']) <= 1 + 1e-9)).toBe(true);
});

test('a join moves at least what the new node gets, and not twice that', () => {
  for (const row of joinRows(FIGURE_8)) {
    expect(row['movedOverShare']).toBeGreaterThanOrEqual(1);
    expect(row['movedOverShare']).toBeLessThan(2);
  }
});

test('7 writers leave at most 7 siblings with dotted version vectors, and many more with plain ones', () => {
  const { dotted, plain } = concurrentWriters(7, 20_000, 1);
  expect(dotted.most).toBeLessThanOrEqual(7);
  expect(plain.most).toBeGreaterThan(14);
});

test('a plain vector lets a put remove values only if its context is the newest', () => {
  const key = new PlainVectorKey<string>();
  const nothing = key.get().context;
  key.put(1, nothing, 'a');
  const seen = key.get().context;
  key.put(1, nothing, 'b');
  key.put(1, seen, 'c');
  expect(key.get().values).toEqual(['a', 'b', 'c']);
  key.put(1, key.get().context, 'd');
  expect(key.get().values).toEqual(['d']);
});

test('a write is under the watermark when everything appended up to its answer was written', () => {
  const writes = new AcknowledgedWrites('w 1,1\na 0 10.5 2,2\nw 2,2\na 1 11 3,2\nw 2,2\na 2 12 4');
  expect(writes.keys).toEqual([0, 1, 2]);
  expect(writes.acknowledgedMs(0)).toBe(10.5);
  expect([0, 1].map((key) => writes.isUnderWatermark(key))).toEqual([true, false]);
  // A kill may cut the last line off.
  expect(new AcknowledgedWrites('w 5,5\na 7 1').size).toBe(0);
});

test('pauses are read from what V8 prints, of all threads, and lines cut in two', () => {
  const trace = new GcTrace();
  trace.read(
    '[17:0x5]  123 ms: Scavenge 4.0 (5.1) -> 3.5 (6.1) MB, 0.51 / 0.00 ms  (average mu = 1.0) x;\n[17:0x6] 9 ms: Mark-Co',
  );
  trace.read('mpact 9.0 (12.0) -> 3.5 (6.1) MB, 2.5 / 0.1 ms  (average mu = 1.0)\n');
  expect(trace.take()).toEqual({ pauses: 2, totalMs: 3.01, longestMs: 2.5 });
  expect(trace.take().pauses).toBe(0);
});

test('an SLA is a percentile and a time', () => {
  expect(parseSla('p99.9=2ms')).toEqual({ oneIn: 1_000, withinUs: 2_000 });
  expect(parseSla('p99=300us')).toEqual({ oneIn: 100, withinUs: 300 });
  expect(slaText(parseSla('p99.9=2ms'))).toBe('p99.9 within 2 ms');
  expect(slaOption(parseSla('p99.9=2ms'))).toBe('p99.9=2ms');
  for (const percentile of ['p50', 'p70', 'p85', 'p97', 'p99.7', 'p99.99', 'p99.999'])
    expect(slaText(parseSla(`${percentile}=1ms`))).toBe(`${percentile} within 1 ms`);
  for (const text of ['99.9=2ms', 'p100=1ms', 'p99', 'p99.9=2', 'p10=1ms', 'p99=0ms'])
    expect(() => parseSla(text)).toThrow(/looks like/);
});
