import type { Axis } from './figure.js';

const SUPERFLUOUS = new Set([3, 4, 6, 7, 8, 9]);

/** Ticks of a logarithmic axis are labelled at 1, 2 and 5 of each decade. */
export function tickText(axis: Axis, value: number): string {
  if (axis.scale === 'percentile') return percentileText(value);
  if (axis.unit === 'bytes') return bytesText(value);
  if (axis.scale === 'log' && SUPERFLUOUS.has(leadingDigit(value))) return '';
  if (axis.unit === 'percent') return `${Number((value * 100).toPrecision(3))} %`;
  return shortNumber(value);
}

/** 1/(1-p) to the percentile: 1,000 is p99.9. */
export function percentileText(value: number): string {
  return value <= 1 ? 'p0' : `p${Number(((1 - 1 / value) * 100).toFixed(4))}`;
}

/** 1,500,000 as 1.5M, 12,000 as 12k. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`;
  if (size > 0 && size < 1e-3) return value.toExponential(0);
  return String(Number(value.toPrecision(3)));
}

/** Microseconds as people write them. */
export function timeText(us: number | null): string {
  if (us === null) return '–';
  if (us < 1_000) return `${Number(us.toPrecision(us < 10 ? 2 : 3))} µs`;
  if (us < 1_000_000) return `${Number((us / 1_000).toPrecision(3))} ms`;
  return `${Number((us / 1_000_000).toPrecision(3))} s`;
}

export function bytesText(value: number): string {
  if (value >= 1 << 20) return `${Number((value / (1 << 20)).toPrecision(3))} MiB`;
  if (value >= 1 << 10) return `${Number((value / (1 << 10)).toPrecision(3))} KiB`;
  return `${value} B`;
}

function leadingDigit(value: number): number {
  return Math.round(value / 10 ** Math.floor(Math.log10(value) + 1e-9));
}
