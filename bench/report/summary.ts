import type { SummaryLine } from './schema.js';

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
