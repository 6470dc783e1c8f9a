import { build } from 'hdr-histogram-js';
import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import { Random } from '../../bench/measure/random.js';

/** Latencies in ms from 0.1 µs to 10 s, evenly over the magnitudes. */
function latencies(count: number, seed: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => 10 ** (random.next() * 8 - 4));
}

function recorded(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.recordMs(value);
  return histogram;
}

test('percentiles are within 0.1 % of the exact ones, in microseconds', () => {
  const values = latencies(100_000, 1);
  const sorted = [...values].sort((a, b) => a - b);
  const { p50Us, p99Us, p999Us, maxUs, samples } = recorded(values).summary();
  const exactUs = (fraction: number): number => sorted[Math.ceil(fraction * sorted.length) - 1]! * 1_000;
  expect(Math.abs(p50Us! / exactUs(0.5) - 1)).toBeLessThan(0.001);
  expect(Math.abs(p99Us! / exactUs(0.99) - 1)).toBeLessThan(0.001);
  expect(Math.abs(p999Us! / exactUs(0.999) - 1)).toBeLessThan(0.001);
  expect(Math.abs(maxUs! / exactUs(1) - 1)).toBeLessThan(0.001);
  expect(samples).toBe(100_000);
});

test('the fast counters lose nothing: the result equals a plain HDR histogram', () => {
  const values = latencies(50_000, 2);
  const plain = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 600e9,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
  for (const value of values) plain.recordValue(Math.floor(value * 1e6));
  const { p50Us, p99Us, p999Us } = recorded(values).summary();
  expect([p50Us, p99Us, p999Us]).toEqual(
    [50, 99, 99.9].map((percentile) => plain.getValueAtPercentile(percentile) / 1_000),
  );
});

test('values of every power of two and its neighbours fall into the right bucket', () => {
  for (let bit = 0; bit < 36; bit++) {
    for (const ns of [2 ** bit - 1, 2 ** bit, 2 ** bit + 1]) {
      const { maxUs } = recorded([ns / 1e6]).summary();
      expect(Math.abs(maxUs! * 1_000 - ns), `${ns} ns`).toBeLessThanOrEqual(Math.max(1, ns / 1_000));
    }
  }
});

test('merging adds counts: the percentiles are those of all values together', () => {
  const fast = Array.from({ length: 9_900 }, () => 0.001);
  const slow = Array.from({ length: 100 }, () => 5);
  const merged = LatencyHistogram.merge([recorded(fast).encode(), recorded(slow).encode()]).summary();
  expect(merged).toEqual(recorded([...fast, ...slow]).summary());
  // Averaging the two p99.9 would give 2,500 µs.
  expect(Math.round(merged.p999Us! / 10) * 10).toBe(5_000);
});

test('encoding keeps every count and can be read more than once', () => {
  const histogram = recorded(latencies(10_000, 3));
  const first = LatencyHistogram.decode(histogram.encode()).summary();
  histogram.recordMs(20_000);
  expect(first.samples).toBe(10_000);
  expect(LatencyHistogram.decode(histogram.encode()).summary().samples).toBe(10_001);
});

test('negative and endless latencies are clamped, not lost', () => {
  const { samples, maxUs } = recorded([-1, 1e9]).summary();
  expect(samples).toBe(2);
  expect(Math.abs(maxUs! / 600e6 - 1)).toBeLessThan(0.001);
});

test('nothing recorded gives nulls', () => {
  expect(new LatencyHistogram().summary()).toEqual({
    meanUs: null,
    p50Us: null,
    p99Us: null,
    p999Us: null,
    maxUs: null,
    samples: 0,
  });
});
