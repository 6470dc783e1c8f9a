import type { Sla } from '../report/schema.js';

const FORM = /^p(\d{2}(?:\.\d+)?)=(\d+(?:\.\d+)?)(us|ms|s)$/;
const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000 };

/** The paper's example is p99.9=300ms, of services that answer over a network and from a disk. */
export const DEFAULT_SLA = 'p99.9=2ms';

/** `p99.9=2ms`: 99.9 % of the requests within 2 ms. */
export function parseSla(text: string): Sla {
  const [, percentile, length, unit] = FORM.exec(text) ?? [];
  const oneIn = Math.round(100 / (100 - Number(percentile)));
  if (unit === undefined || !Number.isFinite(oneIn)) {
    throw new RangeError('an SLA looks like p99.9=2ms (a percentile from p50 on; us, ms or s)');
  }
  return { oneIn, withinUs: Number(length) * MICROSECONDS[unit]! };
}

export function slaText({ oneIn, withinUs }: Sla): string {
  const percentile = Number((100 - 100 / oneIn).toFixed(4));
  return `p${percentile} within ${withinUs >= 1_000 ? `${withinUs / 1_000} ms` : `${withinUs} µs`}`;
}
