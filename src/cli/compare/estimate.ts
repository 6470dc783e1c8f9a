import { decodeFromCompressedBase64 } from 'hdr-histogram-js';
import type { BenchRow } from './results.js';

/** A measured figure and how sure it is. Everything is judged by ratios, so errors are of logarithms. */
export interface Estimate {
  readonly value: number;
  /** Standard error of ln(value); null: nothing is known of it. */
  readonly logError: number | null;
  /** Degrees of freedom of that error. */
  readonly freedom: number;
  /** Standard deviation of ln(value) from round to round; null: of fewer than two rounds. */
  readonly roundDeviation: number | null;
}

/** Standard normal, 97.5 %. */
const NORMAL = 1.96;
/** Error of a median over that of a mean, at most (of normal values, and many of them). */
const MEDIAN = Math.sqrt(Math.PI / 2);
const UNKNOWN = { logError: null, freedom: 1, roundDeviation: null } as const;
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
  if (logs.length < 2) return { value, ...UNKNOWN };
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (logs.length - 1);
  return {
    value,
    logError: Math.sqrt(variance / logs.length) * (logs.length === 2 ? 1 : MEDIAN),
    freedom: logs.length - 1,
    roundDeviation: Math.sqrt(variance),
  };
}

/**
 * A percentile of one round: the ranks between which the true one lies with 95 % (binomial), and the
 * values at those ranks. It knows nothing of what differs from run to run; the noise threshold does.
 * Null where the upper one is beyond the last sample: then nothing says how high the true one may be.
 */
export function estimateOfPercentile(value: number, histogram: string, percentile: number): Estimate | null {
  const hdr = decodeFromCompressedBase64(histogram, 64);
  const samples = hdr.totalCount;
  const share = percentile / 100;
  const ranks = NORMAL * Math.sqrt(share * (1 - share) * samples);
  const [lowest, highest] = [Math.floor(share * samples - ranks), Math.ceil(share * samples + ranks)];
  if (lowest < 1 || highest > samples) return null;
  const at = (rank: number): number => hdr.getValueAtPercentile((rank / samples) * 100);
  const [low, high] = [at(lowest), at(highest)];
  if (low <= 0) return { value, ...UNKNOWN };
  return ofSamples(value, Math.log(high / low) / (2 * NORMAL));
}

/** A count of independent events within a fixed time. */
export function estimateOfCount(value: number, events: number): Estimate {
  return events > 0 ? ofSamples(value, 1 / Math.sqrt(events)) : { value, ...UNKNOWN };
}

function ofSamples(value: number, logError: number): Estimate {
  return { value, logError, freedom: Number.POSITIVE_INFINITY, roundDeviation: null };
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
      if (row.histogram === undefined) return { value, ...UNKNOWN };
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
  plainMetric('efficiency', 'efficiency', 'higher', 0.03),
  plainMetric('hitRatio', 'hits', 'higher', 0.02),
  plainMetric('filledRssBytes', 'memory', 'lower', 0.05),
  {
    field: 'keysPerSecond',
    name: 'copies/s',
    better: 'higher',
    noise: 0.25,
    estimate(row) {
      // The same work stands in the rows of gets and of puts.
      const rounds = row.op === 'put' ? numbersOf(row['keysPerSecond']) : [];
      return rounds.length === 0 ? null : estimateOfRounds(middleOf(rounds), rounds);
    },
  },
];

/** Of one value, whose error nobody knows. */
function plainMetric(field: string, name: string, better: Metric['better'], noise: number): Metric {
  return {
    field,
    name,
    better,
    noise,
    estimate(row) {
      const value = row[field];
      return typeof value === 'number' ? { value, ...UNKNOWN } : null;
    },
  };
}

function middleOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function numbersOf(value: unknown): readonly number[] {
  return Array.isArray(value) ? value.filter((item): item is number => typeof item === 'number') : [];
}
