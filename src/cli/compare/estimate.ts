import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import type { BenchRow } from './results.js';

/** A measured figure and how sure it is. Everything is judged by ratios, so errors are of logarithms. */
export interface Estimate {
  readonly value: number;
  /** Standard error of ln(value); null: nothing is known of it. */
  readonly logError: number | null;
  /** Degrees of freedom of that error. */
  readonly freedom: number;
}

/** Standard normal, 97.5 %. */
const NORMAL = 1.96;
/** Student's t, 97.5 %, by degrees of freedom; between two of them the smaller one counts. */
const STUDENT: readonly (readonly [number, number])[] = [
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [6, 2.447],
  [8, 2.306],
  [10, 2.228],
  [15, 2.131],
  [30, 2.042],
  [60, 2.0],
];

export function studentQuantile(freedom: number): number {
  if (freedom > 200) return NORMAL;
  return STUDENT.findLast(([least]) => freedom >= least)?.[1] ?? STUDENT[0]![1];
}

/** Of several rounds: their spread counts, and with it whatever changes from one process to the next. */
export function estimateOfRounds(value: number, rounds: readonly number[]): Estimate {
  const logs = rounds.filter((round) => round > 0).map(Math.log);
  if (logs.length < 2) return { value, logError: null, freedom: 1 };
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  return { value, logError: Math.sqrt(variance / logs.length), freedom: logs.length - 1 };
}

/**
 * A percentile of one round: the ranks between which the true one lies with 95 % (binomial), and the
 * values at those ranks. It knows nothing of what differs from run to run; the noise threshold does.
 */
export function estimateOfPercentile(value: number, histogram: string, percentile: number): Estimate {
  const hdr = decodeFromCompressedBase64(histogram, 64);
  const samples = hdr.totalCount;
  const share = percentile / 100;
  const ranks = NORMAL * Math.sqrt(share * (1 - share) * samples);
  const at = (rank: number): number =>
    hdr.getValueAtPercentile((Math.min(samples, Math.max(1, rank)) / samples) * 100);
  const [low, high] = [at(Math.floor(share * samples - ranks)), at(Math.ceil(share * samples + ranks))];
  if (samples === 0 || low <= 0) return { value, logError: null, freedom: 1 };
  return { value, logError: Math.log(high / low) / (2 * NORMAL), freedom: Number.POSITIVE_INFINITY };
}

/** A count of independent events within a fixed time. */
export function estimateOfCount(value: number, events: number): Estimate {
  return { value, logError: events > 0 ? 1 / Math.sqrt(events) : null, freedom: Number.POSITIVE_INFINITY };
}

export interface Metric {
  readonly field: string;
  readonly name: string;
  readonly better: 'higher' | 'lower';
  /** What changes by itself from run to run on the same machine. */
  readonly noise: number;
  estimate(row: BenchRow): Estimate | null;
}

function percentileMetric(
  field: string,
  rounds: string,
  name: string,
  percentile: number,
  noise: number,
): Metric {
  return {
    field,
    name,
    better: 'lower',
    noise,
    estimate(row) {
      const value = row[field];
      if (typeof value !== 'number') return null;
      const perRound = numbersOf(row[rounds]);
      if (perRound.length > 1) return estimateOfRounds(value, perRound);
      if (row.histogram === undefined) return { value, logError: null, freedom: 1 };
      return estimateOfPercentile(value, row.histogram, percentile);
    },
  };
}

export const METRICS: readonly Metric[] = [
  {
    field: 'opsPerSecond',
    name: 'rate',
    better: 'higher',
    noise: 0.05,
    estimate(row) {
      const value = row['opsPerSecond'];
      // At an offered rate the rate is the schedule's, not the system's.
      if (typeof value !== 'number' || typeof row['offeredPerSecond'] === 'number') return null;
      const rounds = numbersOf(row['roundOpsPerSecond']);
      return rounds.length > 1 ? estimateOfRounds(value, rounds) : estimateOfCount(value, row.samples ?? 0);
    },
  },
  percentileMetric('p50Us', 'roundP50Us', 'p50', 50, 0.1),
  percentileMetric('p999Us', 'roundP999Us', 'p99.9', 99.9, 0.25),
  {
    field: 'efficiency',
    name: 'efficiency',
    better: 'higher',
    noise: 0.03,
    estimate: ({ efficiency }) =>
      typeof efficiency === 'number' ? { value: efficiency, logError: null, freedom: 1 } : null,
  },
];

function numbersOf(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : [];
}
