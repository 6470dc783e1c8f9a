import type { Sla } from '../report/schema.js';

const FORM = /^p([5-9]\d(?:\.\d+)?)=(\d+(?:\.\d+)?)(us|ms|s)$/;
const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000 };

/** The paper's example is p99.9=300ms, of services that answer over a network and from a disk. */
export const DEFAULT_SLA = 'p99.9=2ms';

/** `p99.9=2ms`: 99.9 % of the requests within 2 ms. */
export function parseSla(text: string): Sla {
  const [, percentile, length, unit] = FORM.exec(text) ?? [];
  const withinUs = Number(length) * (MICROSECONDS[unit ?? ''] ?? 0);
  if (!(withinUs > 0)) {
    throw new RangeError(
      'an SLA looks like p99.9=2ms (a percentile from p50 on; more than no time, in us, ms or s)',
    );
  }
  // Not rounded to whole requests but for what the subtraction adds: p70 is one in 3.33, p99.9 one in 1,000.
  return { oneIn: Number((100 / (100 - Number(percentile))).toPrecision(12)), withinUs };
}

export function slaText({ oneIn, withinUs }: Sla): string {
  return `${percentileOf(oneIn)} within ${withinUs >= 1_000 ? `${withinUs / 1_000} ms` : `${withinUs} µs`}`;
}

/** As {@link parseSla} reads it. */
export function slaOption({ oneIn, withinUs }: Sla): string {
  return `${percentileOf(oneIn)}=${withinUs >= 1_000 ? `${withinUs / 1_000}ms` : `${withinUs}us`}`;
}

function percentileOf(oneIn: number): string {
  return `p${Number((100 - 100 / oneIn).toPrecision(9))}`;
}
