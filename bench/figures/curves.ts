import { LatencyHistogram } from '../measure/histogram.js';
import type { Row } from '../report/schema.js';
import type { Axis, Figure, Series } from './figure.js';
import { tableOf } from './figure.js';

export const PERCENTILE_AXIS: Axis = { label: 'of all requests', scale: 'percentile' };
export const LATENCY_AXIS: Axis = { label: 'latency, µs', scale: 'log' };

/** How latency grows towards the tail, one line per row that has a histogram. */
export function percentileFigure(
  id: string,
  title: string,
  rows: readonly Row[],
  name: (row: Row) => string,
): Figure {
  const measured = rows.filter((row) => typeof row['histogram'] === 'string' && (row.samples ?? 0) > 0);
  return {
    id,
    title,
    description: `Latency in microseconds by percentile, for ${measured.map(name).join(', ')}. The axis spreads the tail: each step to the right is ten times rarer.`,
    x: PERCENTILE_AXIS,
    y: LATENCY_AXIS,
    series: measured.map((row): Series => ({
      name: name(row),
      kind: 'line',
      points: LatencyHistogram.decode(String(row['histogram']))
        .curve()
        .map(({ oneIn, us }) => ({ x: oneIn, y: us })),
    })),
    table: tableOf(measured, {
      line: name,
      samples: (row) => row.samples,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      'max µs': (row) => row.maxUs,
    }),
  };
}
