import { expect, test } from 'vitest';
import { binsOf } from '../../bench/cases/node-loads.js';
import { compareHalves, lagOf } from '../../bench/measure/lag.js';
import { Random } from '../../bench/measure/random.js';
import { balance, interleaved, median, relativeSpread } from '../../bench/measure/statistics.js';
import { Workload } from '../../bench/measure/workload.js';
import type { VnodeStats } from '../../src/client/api.js';

test('the median ignores order and outliers', () => {
  expect(median([3, 1, 1_000])).toBe(3);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('spread is range over median', () => {
  expect(relativeSpread([90, 100, 110])).toBeCloseTo(0.2);
  expect(relativeSpread([5])).toBeNull();
});

test('every second round runs in reverse', () => {
  expect(interleaved([1, 2, 3], 0)).toEqual([1, 2, 3]);
  expect(interleaved([1, 2, 3], 1)).toEqual([3, 2, 1]);
});

test('a node more than 15 % from the mean is out of balance, one exactly at 15 % is not (paper §6.2)', () => {
  expect(balance([85, 100, 100, 115]).outOfBalance).toBe(0);
  expect(balance([84, 100, 100, 116]).outOfBalance).toBe(0.5);
});

test('a node of capacity 2 is fair with twice the load', () => {
  const { relativeLoads, worstDeviation } = balance([200, 100, 100], [2, 1, 1]);
  expect(relativeLoads).toEqual([1, 1, 1]);
  expect(worstDeviation).toBe(0);
});

test('no load at all is balanced', () => {
  expect(balance([0, 0]).outOfBalance).toBe(0);
});

test('lag is what is appended and not yet written, or not yet in the engine', () => {
  const vnode = { appendedRecords: 100, writtenRecords: 90, engineRecords: 60 } as VnodeStats;
  expect(lagOf({ vnodes: [vnode, vnode] })).toEqual({ journalRecords: 20, engineRecords: 80 });
});

test('the lag of the engine is compared by its peaks, where it rose and fell in both halves', () => {
  const report = (engine: readonly number[]) =>
    compareHalves(
      engine.map((engineRecords, i) => ({ atMs: i * 50, lag: { journalRecords: i, engineRecords } })),
    );
  expect(report([])).toBeNull();
  expect(report([0, 50, 100, 10, 60, 90, 20, 70])).toEqual({
    afterWarmup: { journalRecords: 1.5, engineRecords: 100 },
    atEnd: { journalRecords: 5.5, engineRecords: 90 },
    wholeTeeth: true,
  });
  expect(report([0, 10, 20, 30, 40, 50, 60, 70])?.wholeTeeth).toBe(false);
  expect(report([0, 50, 100, 10, 20, 30, 40, 50])?.wholeTeeth).toBe(false);
});

test('loads are binned by the measured window, not by what a warm-up before it sent', () => {
  // 1,000 requests of a warm-up to one node up to 100 ms; then one per 10 ms to each of two.
  const samples = Array.from({ length: 31 }, (_, i) => ({
    atMs: i * 10,
    served: i <= 10 ? [i * 100, 0] : [1_000 + i - 10, i - 10],
  }));
  expect(binsOf(samples, 101, 200, 4)).toEqual([
    [5, 5],
    [5, 5],
    [5, 5],
    [5, 5],
  ]);
  // A window that ends after the last sample.
  expect(binsOf(samples, 251, 100, 2)).toEqual([
    [5, 5],
    [0, 0],
  ]);
});

test('random numbers are uniform and repeat with their seed', () => {
  const random = new Random(1);
  const counts = Array.from({ length: 16 }, () => 0);
  for (let i = 0; i < 160_000; i++) counts[random.below(16)]! += 1;
  const chiSquare = counts.reduce((total, count) => total + (count - 10_000) ** 2 / 10_000, 0);
  // 99.9 % of uniform generators stay below 37.7 with 15 degrees of freedom.
  expect(chiSquare).toBeLessThan(37.7);
  expect(new Random(5).uint32()).toBe(new Random(5).uint32());
  expect(new Random(5).uint32()).not.toBe(new Random(6).uint32());
  expect(new Random(5, 1).uint32()).not.toBe(new Random(5, 2).uint32());
});

test('large values are few: all of them together are some megabytes', () => {
  const count = (valueBytes: number): number => new Workload({ keys: 1, valueBytes, seed: 3 }).values.length;
  expect([100, 16_384, 131_072, 1 << 20].map(count)).toEqual([256, 256, 32, 4]);
});

test('a workload has distinct keys of 14 bytes and values of the asked size', () => {
  const workload = new Workload({ keys: 1_000, valueBytes: 100, seed: 3 });
  expect(new Set(workload.keys).size).toBe(1_000);
  expect(workload.keys.every((key) => key.length === 14)).toBe(true);
  expect(workload.value().bytes.length).toBe(100);
  expect(new Set(workload.values.map((value) => value.text)).size).toBe(workload.values.length);
});
