import { spreadText } from '../figures/figure.js';
import type { ExperimentResult, Note, Row, SummaryLine } from './schema.js';

type Cell = string;
type Column<T> = { readonly title: string; readonly cell: (value: T) => Cell; readonly left?: boolean };

const ROW_COLUMNS: readonly Column<Row>[] = [
  { title: 'system', cell: (row) => row.system, left: true },
  { title: 'setting', cell: settingOf, left: true },
  { title: 'op', cell: (row) => row.op ?? '', left: true },
  { title: 'callers', cell: (row) => figure(row.callers) },
  { title: 'in flight', cell: (row) => figure(row.inFlight) },
  { title: 'offered/s', cell: (row) => figure(row.offeredPerSecond) },
  { title: 'ops/s', cell: (row) => figure(row.opsPerSecond) },
  { title: 'mean µs', cell: (row) => figure(row.meanUs) },
  { title: 'p50 µs', cell: (row) => figure(row.p50Us) },
  { title: 'p99 µs', cell: (row) => figure(row.p99Us) },
  { title: 'p99.9 µs', cell: (row) => figure(row.p999Us) + (row['p999FewSamples'] === true ? '*' : ' ') },
  { title: 'samples', cell: (row) => figure(row.samples) },
  { title: 'rounds', cell: (row) => figure(row.rounds) },
  { title: 'spread', cell: (row) => spreadText(row) ?? '' },
  { title: 'note', cell: remark, left: true },
];

export const ROW_TITLES: readonly string[] = ROW_COLUMNS.map(({ title }) => title);
export const FEW_SAMPLES = '* fewer than 100,000 samples: take this p99.9 as a hint';

export const NOT_WARM =
  'not warm: the rate still rose when its process had been under load for as long as this run allows; --full allows more';

export function rowCells(row: Row): readonly Cell[] {
  return ROW_COLUMNS.map(({ cell }) => cell(row));
}

const SUMMARY_COLUMNS: readonly Column<SummaryLine>[] = [
  { title: 'requirement', cell: (line) => line.line, left: true },
  { title: 'required', cell: (line) => `${line.better === 'higher' ? '≥' : '≤'} ${figure(line.required)}` },
  { title: 'measured', cell: (line) => figure(line.measured) },
  { title: 'unit', cell: (line) => line.unit, left: true },
  { title: 'met', cell: verdict, left: true },
];

function verdict({ met, doubts = [] }: SummaryLine): Cell {
  if (met === null) return '?';
  return [met ? 'yes' : 'NO', ...(doubts.length === 0 ? [] : [`(${doubts.join(', ')})`])].join(' ');
}

/** What a finished experiment shows on the screen. */
export function experimentText(name: string, result: ExperimentResult): string {
  const parts = [`\n${name}: ${result.question}`];
  if (result.rows.length > 0) parts.push(table(ROW_COLUMNS, result.rows));
  if (result.rows.some((row) => row['p999FewSamples'] === true)) {
    parts.push(FEW_SAMPLES);
  }
  if (result.rows.some((row) => row['stillRising'] === true)) parts.push(NOT_WARM);
  if (result.summary.length > 0) parts.push('', table(SUMMARY_COLUMNS, result.summary));
  parts.push(...result.notes.map(noteText));
  return parts.join('\n');
}

export function noteText({ kind, what, why }: Note): string {
  return `${kind}: ${what}: ${why}`;
}

/** Three significant digits, thousands separated; empty for null. */
export function figure(value: number | null): string {
  if (value === null) return '';
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US');
  return String(Number(value.toPrecision(3)));
}

export function table<T>(columns: readonly Column<T>[], values: readonly T[]): string {
  const cells = [
    columns.map(({ title }) => title),
    ...values.map((value) => columns.map((c) => c.cell(value))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)));
  return cells
    .map((line) =>
      line
        .map((cell, index) =>
          columns[index]!.left === true ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function settingOf({ setting, n, r, w, durability }: Row): Cell {
  if (n === null) return setting;
  return `N=${n} R=${r} W=${w} ${durability ?? ''}, ${setting}`;
}

function remark(row: Row): Cell {
  const remarks: string[] = [];
  if (row.generatorBound === true) remarks.push('generator-bound');
  if (row['stillRising'] === true) remarks.push('not warm');
  if (Number(row['failed'] ?? 0) > 0) remarks.push(`${figure(Number(row['failed']))} failed`);
  if (Number(row['unfinished'] ?? 0) > 0) remarks.push(`${figure(Number(row['unfinished']))} unfinished`);
  if (typeof row['remark'] === 'string') remarks.push(row['remark']);
  return remarks.join(', ');
}
