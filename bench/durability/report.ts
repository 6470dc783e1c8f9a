import { percentileFigure } from '../figures/curves.js';
import { type Figure, linesBy, tableOf, spreadText } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atLeast, atMost, ratio } from '../report/summary.js';
import { DURABILITIES } from '../suite/defaults.js';
import type { binSummaries } from '../suite/load-steps.js';
import { type Level, PEAK_IN_FLIGHT } from './levels.js';

/** Fig. 5 at the peaks of a day, read off the plot: the middle of 100 to 190 ms, and of 55 to 88 ms, on a logarithmic axis. */
const PAPER_US = { direct: 138_000, buffered: 70_000 };
const GOALS = { durableOverBuffered: 5, hybridOverBuffered: 1.3 };

/** Where the rows of part `peak` were measured: a quick run has no time to look for durable's peak, and takes a rate that is given. */
interface Peak {
  readonly peakPerSecond: number | null;
}

/** What the rows say, in sentences. */
export function findings(rows: readonly Row[], { peakPerSecond }: Peak): readonly string[] {
  const reached =
    peakPerSecond === null
      ? `, which durable writes reached with ${PEAK_IN_FLIGHT} in flight,`
      : ', a rate that is given,';
  const at = (level: Level): Row | undefined => atPeak(rows).find((row) => row.durability === level);
  const [buffered, durable, hybrid] = [at('buffered'), at('durable'), at('one-durable')];
  const texts: string[] = [];
  if (buffered !== undefined && durable !== undefined) {
    texts.push(
      `At ${shortNumber(durable.offeredPerSecond ?? 0)} puts/s${reached} p99.9 is ${timeText(durable.p999Us)} for durable and ${timeText(buffered.p999Us)} for buffered writes: a factor of ${shortNumber((durable.p999Us ?? 0) / (buffered.p999Us || 1))} (paper: 5).`,
    );
  }
  if (buffered !== undefined && hybrid !== undefined) {
    texts.push(
      `One-durable takes ${shortNumber((hybrid.p999Us ?? 0) / (buffered.p999Us || 1))} times buffered’s p99.9, and ${shortNumber((hybrid.meanUs ?? 0) / (buffered.meanUs || 1))} times its mean.`,
    );
  }
  for (const row of rows.filter(isRisk)) {
    texts.push(
      `${row.durability}: ${Number(row['kills'])} kills, ${Number(row['acknowledged']).toLocaleString('en-US')} writes acknowledged, ${Number(row['lost'])} of them gone${Number(row['lost']) > 0 ? `, the oldest ${timeText(Number(row['oldestLostMs']) * 1_000)} old` : ''}; under a watermark ${Number(row['lostUnderWatermark'])}.`,
    );
  }
  return texts;
}

export function goals(
  rows: readonly Row[],
  risks: readonly Row[],
  { levels, peakPerSecond }: Peak & { readonly levels: readonly Level[] },
): readonly SummaryLine[] {
  const p999 = (level: Level): number | null =>
    atPeak(rows).find((row) => row.durability === level)?.p999Us ?? null;
  const lost = (of: readonly Level[], field: 'lost' | 'lostUnderWatermark'): number | null => {
    const chosen = risks.filter((row) => (of as readonly unknown[]).includes(row.durability));
    return chosen.length < of.length ? null : chosen.reduce((sum, row) => sum + Number(row[field]), 0);
  };
  const against = (level: Level): number | null => ratio(p999(level), p999('buffered'));
  const lines: SummaryLine[] = [];
  // They are goals at durable's peak, not at a rate that is given.
  if (peakPerSecond === null) {
    lines.push(
      atLeast(
        "durable over buffered puts, p99.9 at durable's peak",
        GOALS.durableOverBuffered,
        against('durable'),
        '×',
      ),
    );
    if (levels.includes('one-durable')) {
      lines.push(
        atMost(
          'one-durable over buffered puts, p99.9 at that rate',
          GOALS.hybridOverBuffered,
          against('one-durable'),
          '×',
        ),
      );
    }
  }
  if (risks.length === 0) return lines;
  return [
    ...lines,
    atMost(
      'committed and durable writes gone after kills',
      0,
      lost(['committed', 'durable'], 'lost'),
      'writes',
    ),
    atMost(
      'writes under a watermark gone after kills',
      0,
      lost(DURABILITIES, 'lostUnderWatermark'),
      'writes',
    ),
  ];
}

export function figures(rows: readonly Row[], { peakPerSecond }: Peak): readonly Figure[] {
  const rate = peakPerSecond === null ? 'the peak rate of durable writes' : 'one rate for all levels';
  const [open, closed, risks] = [
    atPeak(rows),
    rows.filter((row) => row.inFlight !== null),
    rows.filter(isRisk),
  ];
  return [
    ...(open.length > 0
      ? [
          smoothingFigure(open, rate),
          percentileFigure('durability-percentiles', 'The whole distribution at that rate', open, levelOf),
        ]
      : []),
    ...(closed.some((row) => row.inFlight !== PEAK_IN_FLIGHT) ? [depthFigure(closed)] : []),
    ...(risks.length > 0 ? riskFigures(risks) : []),
  ];
}

function isRisk(row: Row): boolean {
  return row['part'] === 'risk';
}

function atPeak(rows: readonly Row[]): readonly Row[] {
  return rows.filter((row) => row['part'] === 'peak');
}

function levelOf(row: Row): string {
  return String(row.durability);
}

function smoothingFigure(rows: readonly Row[], rate: string): Figure {
  const bins = (row: Row): ReturnType<typeof binSummaries> => row['bins'] as ReturnType<typeof binSummaries>;
  const seconds = Number(rows[0]!['seconds']);
  return {
    id: 'durability-smoothing',
    title: `p99.9 of puts over the run, at ${rate} (paper: Fig. 5)`,
    description:
      'One line per level of durability over the seconds of the window: the lower and the more even, the better. The paper’s milliseconds are dashed.',
    x: { label: 'seconds', scale: 'linear', from: 0, to: seconds },
    y: { label: 'p99.9, µs', scale: 'log' },
    series: rows.map((row) => ({
      name: levelOf(row),
      kind: 'line',
      points: bins(row).flatMap(({ p999Us }, index) =>
        p999Us === null ? [] : [{ x: ((index + 0.5) * seconds) / bins(row).length, y: p999Us }],
      ),
    })),
    references: [
      { axis: 'y', value: PAPER_US.direct, label: 'paper, not buffered: 100 to 190 ms' },
      { axis: 'y', value: PAPER_US.buffered, label: 'paper, buffered: 55 to 88 ms' },
    ],
    table: tableOf(rows, {
      level: levelOf,
      'offered/s': (row) => row.offeredPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99.9 µs': (row) => row.p999Us,
      'worst bin, p99.9 µs': (row) => Math.max(...bins(row).map(({ p999Us }) => p999Us ?? 0)),
      'best bin, p99.9 µs': (row) =>
        Math.min(...bins(row).map(({ p999Us }) => p999Us ?? Number.POSITIVE_INFINITY)),
      samples: (row) => row.samples,
    }),
  };
}

function depthFigure(rows: readonly Row[]): Figure {
  return {
    id: 'durability-depth',
    title: 'Puts per second by number in flight: how waiting together shares a sync',
    description:
      'One line per level. A durable put alone pays a whole sync; those that wait together share one.',
    x: { label: 'puts in flight', scale: 'log' },
    y: { label: 'puts/s', scale: 'log' },
    series: linesBy(
      rows,
      levelOf,
      (row) => row.inFlight,
      (row) => row.opsPerSecond,
    ),
    table: tableOf(rows, {
      level: levelOf,
      'in flight': (row) => row.inFlight,
      'puts/s': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p99.9 µs': (row) => row.p999Us,
      spread: spreadText,
    }),
  };
}

function riskFigures(rows: readonly Row[]): Figure[] {
  const table = tableOf(rows, {
    level: levelOf,
    kills: (row) => Number(row['kills']),
    acknowledged: (row) => Number(row['acknowledged']),
    gone: (row) => Number(row['lost']),
    'gone per kill': (row) => Number(row['lost']) / Number(row['kills']),
    'oldest, ms': (row) => Number(row['oldestLostMs']),
    'median age, ms': (row) => Number(row['medianLostMs']),
    'under a watermark': (row) => Number(row['lostUnderWatermark']),
  });
  const bars = (id: string, title: string, label: string, value: (row: Row) => number): Figure => ({
    id,
    title,
    description: `${title}. One bar per level of durability; committed and durable must have none.`,
    x: { label: 'durability', scale: 'category' },
    y: { label, scale: 'linear', from: 0, to: Math.max(1, ...rows.map(value)) * 1.1 },
    series: [
      { name: 'measured', kind: 'bars', points: rows.map((row) => ({ x: levelOf(row), y: value(row) })) },
    ],
    table,
  });
  return [
    bars(
      'durability-risk',
      'Acknowledged writes that were gone, per kill',
      'writes per kill',
      (row) => Number(row['lost']) / Number(row['kills']),
    ),
    bars('durability-risk-age', 'How old the oldest of them was', 'ms before the kill', (row) =>
      Number(row['oldestLostMs']),
    ),
  ];
}
