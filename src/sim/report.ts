import { Coverage, STATE_NAMES } from './coverage.js';
import { FAULTS } from './faults.js';
import type { Verdict } from './run.js';

const FAULT_NAMES = Object.keys(FAULTS);

/** What a run, or several together, did and found. */
export function describe(verdicts: readonly Verdict[], wallMs: number): string {
  const lines = [
    ...heading(verdicts, wallMs),
    '',
    'operations',
    ...tally(verdicts.map(({ outcomes }) => outcomes)),
    '',
    'faults',
    ...tally(verdicts.map(({ faults }) => faults)),
    '',
    ...table(together(verdicts)),
  ];
  return `${lines.join('\n')}\n`;
}

/** The same for programs. `replay` is the line that shows the violations again, if there are any. */
export function summary(
  verdicts: readonly Verdict[],
  wallMs: number,
  replay: string | undefined,
): Record<string, unknown> {
  const sum = (of: (verdict: Verdict) => number): number =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  const { cells } = together(verdicts);
  return {
    seeds: verdicts.map(({ seed }) => seed),
    simulatedMs: sum(({ simulatedMs }) => simulatedMs),
    wallMs: Math.round(wallMs),
    operations: sum(({ operations }) => operations),
    outcomes: Object.fromEntries(sums(verdicts.map(({ outcomes }) => outcomes))),
    faults: Object.fromEntries(sums(verdicts.map(({ faults }) => faults))),
    coverage: Object.fromEntries([...cells].map(([fault, row]) => [fault, Object.fromEntries(row)])),
    violations: verdicts.flatMap(({ seed, violations }) => violations.map((text) => ({ seed, text }))),
    replay: replay ?? null,
  };
}

function heading(verdicts: readonly Verdict[], wallMs: number): string[] {
  const operations = verdicts.reduce((sum, verdict) => sum + verdict.operations, 0);
  const simulatedMs = verdicts.reduce((sum, verdict) => sum + verdict.simulatedMs, 0);
  const seeds = verdicts.map(({ seed }) => seed);
  const range = seeds.length === 1 ? `seed ${seeds[0]}` : `seeds ${seeds[0]}..${seeds.at(-1)}`;
  return [
    `${range}: ${(simulatedMs / 60_000).toFixed(1)} simulated minutes, ${operations} operations, ` +
      `${(wallMs / 1_000).toFixed(1)} s (${Math.round(simulatedMs / wallMs)} × real time)`,
  ];
}

/** Where a fault has not met a state in any of these runs, as "fault × state". */
export function emptyCells(verdicts: readonly Verdict[]): string[] {
  return together(verdicts).missing(FAULT_NAMES);
}

/** Violations and the line that shows them again. */
export function describeFailure(verdict: Verdict, replay: string): string {
  return [
    `seed ${verdict.seed}: VIOLATION`,
    ...verdict.violations.map((text) => `  ${text}`),
    `replay: ${replay}`,
    '',
  ].join('\n');
}

function together(verdicts: readonly Verdict[]): Coverage {
  const all = new Coverage();
  for (const { coverage } of verdicts) all.add(coverage);
  return all;
}

function sums(maps: readonly ReadonlyMap<string, number>[]): (readonly [name: string, count: number])[] {
  const all = new Map<string, number>();
  for (const map of maps) for (const [name, count] of map) all.set(name, (all.get(name) ?? 0) + count);
  return [...all].sort(([a], [b]) => (a < b ? -1 : 1));
}

function tally(maps: readonly ReadonlyMap<string, number>[]): string[] {
  return sums(maps).map(([name, count]) => `  ${name.padEnd(28)}${count}`);
}

/** Fault × state of the protocols: how often a look found both; `.` is never. */
function table(coverage: Coverage): string[] {
  const width = Math.max(...FAULT_NAMES.map((name) => name.length)) + 2;
  const columns = STATE_NAMES.map((name) => name.split(' '));
  const heads = [0, 1].map((line) => columns.map((words) => (words[line] ?? '').padStart(12)).join(''));
  return [
    `${'coverage'.padEnd(width)}${heads[0]!}`,
    `${''.padEnd(width)}${heads[1]!}`,
    ...FAULT_NAMES.map((fault) => {
      const row = coverage.cells.get(fault);
      const cells = STATE_NAMES.map((state) => String(row?.get(state) ?? '.').padStart(12));
      return `${fault.padEnd(width)}${cells.join('')}`;
    }),
  ];
}
