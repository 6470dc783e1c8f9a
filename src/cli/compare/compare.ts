import { type Estimate, type Metric, METRICS, studentQuantile } from './estimate.js';
import type { BenchResults, BenchRow } from './results.js';

export type Verdict = 'improved' | 'regressed' | 'no change';

export interface Comparison {
  readonly experiment: string;
  readonly figure: string;
  /** False: a peer's, which changes with the machine alone. */
  readonly isOurs: boolean;
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  /** after / before. */
  readonly ratio: number;
  /** Of the ratio, 95 %; null where nothing is known of the errors: then the noise threshold decides alone. */
  readonly interval: readonly [number, number] | null;
  /** How much worse it became, as a share of what it was: 0.1 is 10 %; negative: better. */
  readonly worse: number;
  readonly verdict: Verdict;
  /** What takes from its worth; empty: nothing. */
  readonly remarks: readonly string[];
}

export interface CompareOptions {
  /** Instead of each metric's own: smaller changes are no change. */
  readonly noise?: number;
}

const IDENTITY = [
  'system',
  'setting',
  'op',
  'n',
  'r',
  'w',
  'durability',
  'engine',
  'callers',
  'inFlight',
  'offeredPerSecond',
];

/** Each figure that both runs have, in the order of the first. */
export function compareResults(
  before: BenchResults,
  after: BenchResults,
  options: CompareOptions = {},
): readonly Comparison[] {
  return Object.entries(before.experiments).flatMap(([experiment, { rows }]) => {
    const others = byIdentity(after.experiments[experiment]?.rows ?? []);
    return [...byIdentity(rows)].flatMap(([figure, row]) => {
      const other = others.get(figure);
      if (other === undefined) return [];
      return METRICS.flatMap((metric) => {
        const [from, to] = [metric.estimate(row), metric.estimate(other)];
        if (from === null || to === null || from.value <= 0 || to.value <= 0) return [];
        const subject = { experiment, figure: nameOf(row), isOurs: row.system === 'ringlet' };
        return [qualified(judge(subject, metric, from, to, options.noise ?? metric.noise), row, other)];
      });
    });
  });
}

/** A goal of the project that one of two runs met and the other missed. */
export interface GoalChange {
  readonly experiment: string;
  readonly goal: string;
  readonly required: number;
  readonly before: number;
  readonly after: number;
  readonly metAfter: boolean;
}

export function changedGoals(before: BenchResults, after: BenchResults): readonly GoalChange[] {
  return Object.entries(before.experiments).flatMap(([experiment, { summary = [] }]) =>
    summary.flatMap((goal) => {
      const other = after.experiments[experiment]?.summary?.find(
        ({ line, unit }) => line === goal.line && unit === goal.unit,
      );
      if (other === undefined || goal.measured === null || other.measured === null) return [];
      if (goal.met === other.met) return [];
      const { line, unit, measured: from } = goal;
      const { required, measured: to, met } = other;
      return [
        { experiment, goal: `${line} (${unit})`, required, before: from, after: to, metAfter: met === true },
      ];
    }),
  );
}

/** Figures of the first run that the second lacks, and the other way round. */
export function unmatched(before: BenchResults, after: BenchResults): readonly string[] {
  const names = (results: BenchResults): Set<string> =>
    new Set(
      Object.entries(results.experiments).flatMap(([experiment, { rows }]) =>
        [...byIdentity(rows).keys()].map((figure) => `${experiment}: ${figure}`),
      ),
    );
  const [left, right] = [names(before), names(after)];
  return [...[...left].filter((name) => !right.has(name)), ...[...right].filter((name) => !left.has(name))];
}

/**
 * How much worse the peers became, who have nothing to do with a change of ours: the median of their rates and medians.
 * Null without peers.
 */
export function peersWorse(comparisons: readonly Comparison[]): number | null {
  const changes = comparisons
    .filter(({ isOurs, metric }) => !isOurs && (metric === 'rate' || metric === 'p50'))
    .map(({ worse }) => worse)
    .sort((a, b) => a - b);
  return changes[changes.length >> 1] ?? null;
}

function judge(
  subject: Pick<Comparison, 'experiment' | 'figure' | 'isOurs'>,
  metric: Metric,
  before: Estimate,
  after: Estimate,
  noise: number,
): Comparison {
  const ratio = after.value / before.value;
  const interval = intervalOf(before, after);
  const worse = metric.better === 'lower' ? ratio - 1 : 1 - ratio;
  const certain = interval === null || interval[0] > 1 || interval[1] < 1;
  const large = Math.abs(worse) > noise;
  const verdict = certain && large ? (worse > 0 ? 'regressed' : 'improved') : 'no change';
  return {
    ...subject,
    metric: metric.name,
    before: before.value,
    after: after.value,
    ratio,
    interval,
    worse,
    verdict,
    remarks: [],
  };
}

/** Offered rates that are nearer to each other than this are the same load. */
const SAME_LOAD = 0.02;

/** A rate that is measured first, such as half of Redis' peak, differs from run to run: a change that it explains is none. */
function qualified(comparison: Comparison, before: BenchRow, after: BenchRow): Comparison {
  const has = (field: string): boolean => before[field] === true || after[field] === true;
  const remarks: string[] = [];
  if (comparison.metric === 'p99.9' && has('p999FewSamples')) remarks.push('few samples');
  if (has('generatorBound')) remarks.push('generator-bound');
  if (has('stillRising')) remarks.push('not warm');
  const [from, to] = [before['offeredPerSecond'], after['offeredPerSecond']];
  if (typeof from !== 'number' || typeof to !== 'number') return { ...comparison, remarks };
  const more = to / from - 1;
  if (Math.abs(more) <= SAME_LOAD) return { ...comparison, remarks };
  remarks.push(`${Math.round(from)} → ${Math.round(to)}/s offered`);
  const isExplained = more > 0 === comparison.worse > 0;
  return { ...comparison, remarks, ...(isExplained ? { verdict: 'no change' } : {}) };
}

/** Welch's interval of the difference of two logarithms. */
function intervalOf(one: Estimate, other: Estimate): readonly [number, number] | null {
  const [a, b] = [supplemented(one, other), supplemented(other, one)];
  if (a.logError === null || b.logError === null) return null;
  const [varianceA, varianceB] = [a.logError ** 2, b.logError ** 2];
  const error = Math.sqrt(varianceA + varianceB);
  const middle = Math.log(b.value / a.value);
  if (error === 0) return [Math.exp(middle), Math.exp(middle)];
  const freedom = (varianceA + varianceB) ** 2 / (varianceA ** 2 / a.freedom + varianceB ** 2 / b.freedom);
  const reach = studentQuantile(freedom) * error;
  return [Math.exp(middle - reach), Math.exp(middle + reach)];
}

/** A single round does not know what differs from round to round; if the other run has several, they say it for both. */
function supplemented(estimate: Estimate, other: Estimate): Estimate {
  if (estimate.roundDeviation !== null || other.roundDeviation === null) return estimate;
  const logError = Math.hypot(estimate.logError ?? 0, other.roundDeviation);
  return { ...estimate, logError, freedom: other.freedom };
}

/** Rows by what they are of; a name that comes again is counted. An `id` that a row carries is its name. */
function byIdentity(rows: readonly BenchRow[]): ReadonlyMap<string, BenchRow> {
  const named = new Map<string, BenchRow>();
  for (const row of rows) {
    const name =
      row.id === undefined
        ? IDENTITY.map((field) => JSON.stringify(row[field])).join(' ')
        : `${row.id} ${row.op ?? ''}`;
    let unique = name;
    for (let i = 2; named.has(unique); i++) unique = `${name} #${i}`;
    named.set(unique, row);
  }
  return named;
}

/** The row in words. */
function nameOf(row: BenchRow): string {
  const { system, setting, op, n, r, w, durability } = row;
  const quorum = n === null ? '' : ` N=${n} R=${r} W=${w}${durability === null ? '' : ` ${durability}`}`;
  const [offered, inFlight] = [row['offeredPerSecond'], row['inFlight']];
  const load =
    typeof offered === 'number'
      ? `, ${Math.round(offered)}/s offered`
      : typeof inFlight === 'number'
        ? `, ${inFlight} in flight`
        : '';
  return `${system}${quorum} ${setting}${op === null ? '' : ` ${op}`}${load}`;
}
