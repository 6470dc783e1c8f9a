import { expect, test } from 'vitest';
import { Random } from '../../bench/measure/random.js';
import { hasStoppedRising, LEAST_WINDOWS } from '../../bench/measure/rising.js';

/** In how many windows heating ends, each with some noise of its own; null: not within so many. */
function endOf(rateAt: (window: number) => number, noise = 0, seed = 1, most = 2_000): number | null {
  const random = new Random(seed);
  const rates: number[] = [];
  while (rates.length < most) {
    rates.push(rateAt(rates.length) * (1 + noise * (2 * random.next() - 1)));
    if (hasStoppedRising(rates)) return rates.length;
  }
  return null;
}

const SEEDS = Array.from({ length: 50 }, (_, i) => i + 1);
/** Comes near its end as compilation does: a twentieth at first, and then the rest of the way by a constant share per window. */
const warmingUp =
  (windows: number) =>
  (window: number): number =>
    1 - 0.95 * Math.exp(-window / windows);

test('a flat rate ends as soon as that can be seen', () => {
  expect(endOf(() => 500)).toBe(LEAST_WINDOWS);
});

test('a falling rate has stopped rising', () => {
  expect(endOf((window) => 1_000 / (1 + window / 10))).toBe(LEAST_WINDOWS);
});

test('a rate that rises for ever never ends, and neither does one of nothing', () => {
  expect(endOf((window) => 1 + window)).toBeNull();
  expect(endOf(() => 0)).toBeNull();
});

test('a rate that approaches its end has ended within 3 % of it, however slowly it goes', () => {
  for (const windows of [20, 60, 200]) {
    const rateAt = warmingUp(windows);
    const end = endOf(rateAt)!;
    expect(rateAt(end)).toBeGreaterThan(0.97);
    expect(end).toBeLessThan(8 * windows);
  }
});

test('after a slow beginning that looks flat for a moment a rise is seen', () => {
  const end = endOf((window) => 0.05 + 0.95 / (1 + Math.exp(-(window - 60) / 8)));
  expect(end).toBeGreaterThan(80);
});

test('noise of half of the rate neither ends a rise early, by and large, nor keeps a flat rate for long', () => {
  const rateAt = warmingUp(60);
  const reached = SEEDS.map((seed) => rateAt(endOf(rateAt, 0.5, seed)!)).sort((a, b) => a - b);
  expect(reached[25]).toBeGreaterThan(0.97);
  expect(reached[5]).toBeGreaterThan(0.9);
  const flat = SEEDS.map((seed) => endOf(() => 1, 0.5, seed)!).sort((a, b) => a - b);
  expect(flat[25]).toBeLessThan(80);
  expect(flat[45]).toBeLessThan(150);
});

test('a pause of the machine in the middle of a rise is no end of it', () => {
  const rateAt = warmingUp(60);
  const paused = (window: number): number => (window >= 20 && window < 28 ? 0 : rateAt(window));
  expect(rateAt(endOf(paused)!)).toBeGreaterThan(0.97);
});
