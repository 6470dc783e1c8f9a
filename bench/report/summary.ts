import type { Row, SummaryLine } from './schema.js';

/** Null when either side was not measured. */
export function ratio(measured: number | null, base: number | null): number | null {
  return measured === null || base === null || base === 0 ? null : measured / base;
}

export function atLeast(line: string, required: number, measured: number | null, unit: string): SummaryLine {
  return {
    line,
    required,
    measured,
    unit,
    better: 'higher',
    met: measured === null ? null : measured >= required,
  };
}

export function atMost(line: string, required: number, measured: number | null, unit: string): SummaryLine {
  return {
    line,
    required,
    measured,
    unit,
    better: 'lower',
    met: measured === null ? null : measured <= required,
  };
}

/** The same with the marks of the rows that it rests on. */
export function doubted(line: SummaryLine, rows: readonly (Row | undefined)[]): SummaryLine {
  const isTail = line.line.includes('p99.9');
  const doubts = new Set(rows.flatMap((row) => (row === undefined ? [] : marksOf(row, isTail))));
  return doubts.size === 0 || line.measured === null ? line : { ...line, doubts: [...doubts] };
}

function marksOf(row: Row, isTail: boolean): readonly string[] {
  return [
    ...(row.generatorBound === true ? ['generator-bound'] : []),
    ...(row['stillRising'] === true ? ['not warm'] : []),
    ...(isTail && row['p999FewSamples'] === true ? ['few samples'] : []),
  ];
}
