/**
 * Two clocks, always injected. `nowMs` is monotonic and the same in all threads of the process;
 * `wallMs` is the time of day and only labels values.
 */
export interface Clock {
  nowMs(): number;
  wallMs(): number;
}

/** Hybrid time: wall milliseconds × 1024 plus a count, a double that stays exact until the year 2248. */
export const TICKS_PER_MS = 1024;

export function wallOfHybrid(time: number): number {
  return Math.floor(time / TICKS_PER_MS);
}
