/** The middle value, or the mean of the two middle values; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Range over median: 0.1 means that the rounds lay within 10 % of each other. Null of a single one, which tells nothing of it. */
export function relativeSpread(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  return (Math.max(...values) - Math.min(...values)) / median(values);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export interface Balance {
  /** Each node's load over its fair share: 1 is exactly fair. */
  readonly relativeLoads: readonly number[];
  readonly worstDeviation: number;
  /** Fraction of nodes whose load deviates from their fair share by more than the threshold. */
  readonly outOfBalance: number;
}

/** §6.2 of the paper: a node is out of balance when its load deviates by more than 15 % from the average. */
export const IMBALANCE_THRESHOLD = 0.15;
const ROUNDING = 1e-9;

export function balance(
  loads: readonly number[],
  capacities: readonly number[] = loads.map(() => 1),
  threshold = IMBALANCE_THRESHOLD,
): Balance {
  const perCapacity = sum(loads) / sum(capacities);
  const relativeLoads = loads.map((load, index) =>
    perCapacity === 0 ? 1 : load / (perCapacity * (capacities[index] ?? 1)),
  );
  const deviations = relativeLoads.map((load) => Math.abs(load - 1));
  return {
    relativeLoads,
    worstDeviation: Math.max(0, ...deviations),
    outOfBalance:
      deviations.filter((deviation) => deviation > threshold + ROUNDING).length / Math.max(1, loads.length),
  };
}

/** Every second round runs in reverse, so that no system always follows the same one. */
export function interleaved<T>(items: readonly T[], round: number): readonly T[] {
  return round % 2 === 0 ? items : [...items].reverse();
}
