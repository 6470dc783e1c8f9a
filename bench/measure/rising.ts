/** What the shortest heating is cut into: with fewer windows in a third of it an odd one decides. */
export const LEAST_WINDOWS = 24;
/** It has to be so after each of so many windows in a row: a busy machine's pause would look like the end of the rise. */
const LOOKS = 10;
/** More from one third to the next is a rise, as far as a busy machine lets anybody see. */
const RISE = 1.05;
/** Of a third's windows the rate that so many stay below: other programs only ever take from it. */
const QUANTILE = 0.75;

/**
 * Whether a rate, measured in windows of equal length from the start, has stopped rising: in the last third of the time
 * so far it was no higher than in the third before. Thirds, since what takes seconds to rise shows within seconds, and a
 * longer look has less noise. A rate that comes near its end exponentially is then within some per cent of it. A falling
 * one has stopped rising. One of nothing has not begun.
 */
export function hasStoppedRising(rates: readonly number[]): boolean {
  if (rates.length < LEAST_WINDOWS) return false;
  return Array.from({ length: LOOKS }, (_, look) => rates.length - look).every((length) =>
    lastThirdIsNoHigher(rates, length),
  );
}

function lastThirdIsNoHigher(rates: readonly number[], length: number): boolean {
  const third = Math.floor(length / 3);
  const before = rateOf(rates.slice(length - 2 * third, length - third));
  return before > 0 && rateOf(rates.slice(length - third, length)) < before * RISE;
}

function rateOf(windows: readonly number[]): number {
  const sorted = windows.toSorted((a, b) => a - b);
  return sorted[Math.floor(QUANTILE * sorted.length)]!;
}
