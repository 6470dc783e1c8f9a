import { peersWorse, type Comparison, type GoalChange } from './compare.js';
import type { BenchResults } from './results.js';

const MACHINE_FIELDS = ['cpus', 'model', 'memoryBytes', 'kernel', 'node', 'filesystem'];

export interface CompareScreen {
  readonly before: BenchResults;
  readonly after: BenchResults;
  readonly comparisons: readonly Comparison[];
  readonly unmatched: readonly string[];
  readonly goals: readonly GoalChange[];
  /** Also what did not change. */
  readonly all: boolean;
}

export function compareScreen({ before, after, comparisons, unmatched, goals, all }: CompareScreen): string {
  const control = controlLine(comparisons);
  const lines = [describe('A', before), describe('B', after), ...warnings(before, after), ...control, ''];
  const order = ['regressed', 'improved', 'no change'] as const;
  for (const verdict of order) {
    const chosen = comparisons.filter((comparison) => comparison.verdict === verdict);
    lines.push(`${verdict}: ${chosen.length}`);
    if (verdict !== 'no change' || all) {
      const worst = chosen.toSorted((a, b) => Math.abs(b.worse) - Math.abs(a.worse));
      lines.push(...worst.map(lineOf));
    }
  }
  for (const [isMet, what] of [
    [false, 'goals that are missed now'],
    [true, 'goals that are met now'],
  ] as const) {
    const chosen = goals.filter(({ metAfter }) => metAfter === isMet);
    if (chosen.length > 0) lines.push(`${what}: ${chosen.length}`, ...chosen.map(goalLine));
  }
  if (unmatched.length > 0) lines.push(`only in one of them: ${unmatched.length}`, ...(all ? unmatched : []));
  return `${lines.join('\n')}\n`;
}

function describe(name: string, { path, commit, mode }: BenchResults): string {
  return `${name}  ${path}  ${mode}, commit ${commit === null ? 'unknown' : commit.slice(0, 12)}${commit?.endsWith('-dirty') === true ? '-dirty' : ''}`;
}

function warnings(before: BenchResults, after: BenchResults): readonly string[] {
  const differing = MACHINE_FIELDS.filter((field) => before.machine[field] !== after.machine[field]);
  return [
    ...(differing.length > 0
      ? [`not the same machine (${differing.join(', ')}): differences may be the machine's`]
      : []),
    ...(before.mode === after.mode ? [] : ['not the same mode: windows, keys and rounds differ']),
    ...(before.mode === after.mode ? differingParameters(before, after) : []),
    ...[before, after].flatMap(({ path, complete }) =>
      complete === false ? [`${path} was interrupted: some of it is missing`] : [],
    ),
  ];
}

/** What the machine did meanwhile. */
function controlLine(comparisons: readonly Comparison[]): readonly string[] {
  const worse = peersWorse(comparisons);
  if (worse === null) return [];
  const change = `${signed(Math.abs(worse)).slice(1)} ${worse > 0 ? 'worse' : 'better'}`;
  return [`the peers, which no change of the store touches, are ${change} (median of their rates and p50)`];
}

/** Of two versions of the benchmark. */
function differingParameters(before: BenchResults, after: BenchResults): readonly string[] {
  const names = Object.keys(before.experiments).filter((name) => {
    const [a, b] = [before.experiments[name]?.parameters, after.experiments[name]?.parameters];
    return a !== undefined && b !== undefined && JSON.stringify(a) !== JSON.stringify(b);
  });
  if (names.length === 0) return [];
  return [`not the same parameters (${names.join(', ')}): differences may be theirs`];
}

function goalLine({ experiment, goal, required, before, after }: GoalChange): string {
  return `  ${number(before)} → ${number(after)}, required ${number(required)}  ${experiment}: ${goal}`;
}

function lineOf({ experiment, figure, metric, before, after, ratio, interval, remarks }: Comparison): string {
  const change = signed(ratio - 1).padStart(8);
  const range =
    interval === null ? 'one value each' : `95 %: ${signed(interval[0] - 1)} to ${signed(interval[1] - 1)}`;
  const said = [range, ...remarks].join('; ');
  return `  ${change}  ${metric.padEnd(10)} ${number(before).padStart(9)} → ${number(after).padEnd(9)} (${said})  ${experiment}: ${figure}`;
}

function signed(share: number): string {
  const percent = share * 100;
  const text = Math.abs(percent) >= 100 ? percent.toFixed(0) : percent.toFixed(1);
  return `${percent >= 0 ? '+' : ''}${text} %`;
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}
