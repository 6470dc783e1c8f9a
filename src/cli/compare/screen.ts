import type { Comparison } from './compare.js';
import type { BenchResults } from './results.js';

const MACHINE_FIELDS = ['cpus', 'model', 'memoryBytes', 'kernel', 'node', 'filesystem'];

export interface CompareScreen {
  readonly before: BenchResults;
  readonly after: BenchResults;
  readonly comparisons: readonly Comparison[];
  readonly unmatched: readonly string[];
  /** Also what did not change. */
  readonly all: boolean;
}

export function compareScreen({ before, after, comparisons, unmatched, all }: CompareScreen): string {
  const lines = [describe('A', before), describe('B', after), ...warnings(before, after), ''];
  const order = ['regressed', 'improved', 'no change'] as const;
  for (const verdict of order) {
    const chosen = comparisons.filter((comparison) => comparison.verdict === verdict);
    lines.push(`${verdict}: ${chosen.length}`);
    if (verdict !== 'no change' || all) {
      const worst = chosen.toSorted((a, b) => Math.abs(b.worse) - Math.abs(a.worse));
      lines.push(...worst.map(lineOf));
    }
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
    ...(before.mode === after.mode ? [] : ['not the same mode: windows and rounds differ']),
  ];
}

function lineOf({ experiment, figure, metric, before, after, ratio, interval }: Comparison): string {
  const change = signed(ratio - 1).padStart(8);
  const range =
    interval === null ? 'one value each' : `95 %: ${signed(interval[0] - 1)} to ${signed(interval[1] - 1)}`;
  return `  ${change}  ${metric.padEnd(10)} ${number(before).padStart(9)} → ${number(after).padEnd(9)} (${range})  ${experiment}: ${figure}`;
}

function signed(share: number): string {
  const percent = share * 100;
  const text = Math.abs(percent) >= 100 ? percent.toFixed(0) : percent.toFixed(1);
  return `${percent >= 0 ? '+' : ''}${text} %`;
}

function number(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}
