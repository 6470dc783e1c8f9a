import { expect, test } from 'vitest';
import { diurnalShare, schedule } from '../../bench/measure/schedule.js';

const SPEC = { perSecond: 10_000, seconds: 20, seed: 7, stream: 0 } as const;

function gaps(starts: Float64Array): number[] {
  return [...starts.subarray(1)].map((start, index) => start - starts[index]!);
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

test('a constant schedule is evenly spaced and has rate × seconds starts', () => {
  const starts = schedule({ ...SPEC, arrivals: 'constant' });
  expect(starts.length).toBe(200_000);
  expect(starts[0]).toBe(0);
  const worst = gaps(starts).reduce((most, gap) => Math.max(most, Math.abs(gap - 0.1)), 0);
  expect(worst).toBeLessThan(5e-7);
});

test('a Poisson schedule keeps the rate: its count is within four standard deviations', () => {
  const { length } = schedule({ ...SPEC, arrivals: 'poisson' });
  expect(Math.abs(length - 200_000)).toBeLessThan(4 * Math.sqrt(200_000));
});

test('Poisson gaps are exponential: standard deviation equals mean, 1/e of them exceed it', () => {
  const between = gaps(schedule({ ...SPEC, arrivals: 'poisson' }));
  const average = mean(between);
  const deviation = Math.sqrt(mean(between.map((gap) => (gap - average) ** 2)));
  expect(average).toBeCloseTo(0.1, 2);
  expect(deviation / average).toBeCloseTo(1, 1);
  expect(between.filter((gap) => gap > average).length / between.length).toBeCloseTo(1 / Math.E, 2);
});

test('starts ascend and lie within the duration', () => {
  const starts = schedule({ ...SPEC, arrivals: 'poisson' });
  expect(gaps(starts).every((gap) => gap >= 0)).toBe(true);
  expect(starts.at(-1)!).toBeLessThan(20_000);
});

test('the same seed gives the same schedule, another stream another one', () => {
  const one = schedule({ ...SPEC, arrivals: 'poisson', seconds: 1 });
  const same = schedule({ ...SPEC, arrivals: 'poisson', seconds: 1 });
  const other = schedule({ ...SPEC, arrivals: 'poisson', seconds: 1, stream: 1 });
  expect([...same]).toEqual([...one]);
  expect([...other.subarray(0, 10)]).not.toEqual([...one.subarray(0, 10)]);
});

test('a rate so low that nothing is due gives an empty schedule', () => {
  expect(schedule({ ...SPEC, arrivals: 'constant', perSecond: 0.5, seconds: 1 }).length).toBe(0);
});

test('a day begins and ends at an eighth of its peak, and has the peak at noon', () => {
  expect([0, 0.5, 1].map(diurnalShare)).toEqual([1 / 8, 1, 1 / 8]);
  const starts = schedule({ ...SPEC, arrivals: 'diurnal', perSecond: 10_000, seconds: 9, leadSeconds: 1 });
  const within = (from: number, to: number): number =>
    starts.filter((atMs) => atMs >= from * 1_000 && atMs < to * 1_000).length / (to - from);
  expect(within(0, 1) / 10_000).toBeCloseTo(1 / 8, 1);
  expect(within(4.5, 5.5) / 10_000).toBeCloseTo(1, 1);
  expect(within(8.8, 9) / 10_000).toBeCloseTo(1 / 8, 1);
});
