import { type Estimate, type Metric, METRICS, studentQuantile } from './estimate.js';
import type { BenchResults, BenchRow } from './results.js';

export type Verdict = 'improved' | 'regressed' | 'no change';

export interface Comparison {
  readonly experiment: string;
  readonly figure: string;
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  /** after / before. */
  readonly ratio: number;
  /** Of the ratio, 95 %; null where nothing is known of the errors: then the noise threshold decides alone. */
  readonly interval: readonly [number, number] | null;
  /** How much worse it became: 0.1 is 10 %; negative: better. */
  readonly worse: number;
  readonly verdict: Verdict;
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
        return [judge(experiment, nameOf(row), metric, from, to, options.noise ?? metric.noise)];
      });
    });
  });
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

function judge(
  experiment: string,
  figure: string,
  metric: Metric,
  before: Estimate,
  after: Estimate,
  noise: number,
): Comparison {
  const ratio = after.value / before.value;
  const interval = intervalOf(before, after);
  const worse = metric.better === 'lower' ? ratio - 1 : 1 / ratio - 1;
  const certain = interval === null || interval[0] > 1 || interval[1] < 1;
  const large = Math.max(ratio, 1 / ratio) - 1 > noise;
  const verdict = certain && large ? (worse > 0 ? 'regressed' : 'improved') : 'no change';
  return {
    experiment,
    figure,
    metric: metric.name,
    before: before.value,
    after: after.value,
    ratio,
    interval,
    worse,
    verdict,
  };
}

/** Welch's interval of the difference of two logarithms. */
function intervalOf(a: Estimate, b: Estimate): readonly [number, number] | null {
  if (a.logError === null || b.logError === null) return null;
  const [varianceA, varianceB] = [a.logError ** 2, b.logError ** 2];
  const error = Math.sqrt(varianceA + varianceB);
  const middle = Math.log(b.value / a.value);
  if (error === 0) return [Math.exp(middle), Math.exp(middle)];
  const freedom = (varianceA + varianceB) ** 2 / (varianceA ** 2 / a.freedom + varianceB ** 2 / b.freedom);
  const reach = studentQuantile(freedom) * error;
  return [Math.exp(middle - reach), Math.exp(middle + reach)];
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
