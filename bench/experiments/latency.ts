import type { CaseSpec, OpenStep, StepReport } from '../cases/case.js';
import { LATENCY_AXIS, percentileFigure } from '../figures/curves.js';
import { linesBy, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { LatencyHistogram } from '../measure/histogram.js';
import { NIGHT } from '../measure/schedule.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row, Sla } from '../report/schema.js';
import { DEFAULT_QUORUM, FEWER_KEYS, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';
import { binSummaries, caseSeconds, openStep, type BinSummary, type Window } from '../suite/load-steps.js';
import { slaText } from '../suite/sla.js';

const DAY_HOURS = 24;
/** Fig. 4: p99.9 as the text has it; reads of 11 to 17 ms and writes of 22 to 31 ms on average, read off the plot. */
const PAPER_US = { p999: 200_000, mean: 20_000 };

interface Parameters extends Window {
  readonly keys: number;
  readonly peakPerSecond: number;
  /** Null: only the offered rates. */
  readonly day: Window | null;
  readonly bins: number;
  /** Of the offered rates; a day is long enough by itself. */
  readonly rounds: number;
  readonly ratesPerSecond: readonly number[];
}

/** Fig. 4 of the paper: a day's load; and beyond it, where the latencies leave the ground. */
export default defineExperiment<Parameters>({
  name: 'latency',
  order: 1,
  inQuickRuns: true,
  title: 'Latency over a day, and up to saturation',
  question: 'How long do gets and puts take while the load rises and falls, and which rate is too much?',
  explanation: {
    shows:
      'The first figure is a day in fast motion: mean and p99.9 of gets and puts while the rate goes from an eighth of its peak to the peak and back. The second offers higher and higher rates; where a line bends upwards, requests come faster than they are answered, and everything after that is a queue. The dashed line is the promise to users (the SLA); the highest rate whose p99.9 stays below it is what may be sold.',
    measured:
      'One calling thread offers requests at Poisson times, half gets and half puts, uniform keys, to a store with N=3, R=2, W=2 and buffered writes. Latency counts from the time a request was due.',
    paper:
      'Over a month (3,2,2) gave average reads of 11–17 ms, average writes of 22–31 ms, p99.9 of reads 100–220 ms and of writes 235–300 ms: writes slower than reads, the tail ten times the average, both following the day.',
    follows:
      'Plan for the rate at the bend, not for the peak of a closed loop. The distance between mean and p99.9 says how much of what users feel is queueing and stalls; more virtual nodes than cores widen it.',
  },
  parameters: {
    quick: {
      keys: FEWER_KEYS,
      peakPerSecond: 10_000,
      day: null,
      bins: 12,
      rounds: 1,
      ratesPerSecond: [1_000, 5_000, 10_000, 20_000, 40_000],
      warmupSeconds: 0.2,
      seconds: 0.4,
    },
    default: {
      keys: WORKLOAD.keys,
      peakPerSecond: 12_000,
      day: { warmupSeconds: 1, seconds: 120 },
      bins: 48,
      rounds: 3,
      ratesPerSecond: [1_000, 5_000, 10_000, 20_000, 30_000, 40_000, 60_000],
      warmupSeconds: 0.25,
      seconds: 0.6,
    },
    full: {
      keys: WORKLOAD.keys,
      peakPerSecond: 12_000,
      day: { warmupSeconds: 2, seconds: 600 },
      bins: 48,
      rounds: 3,
      ratesPerSecond: [5_000, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 80_000],
      warmupSeconds: 5,
      seconds: 120,
    },
  },
  seconds: ({ keys, day, rounds, ratesPerSecond, ...window }, processes) =>
    (day === null ? 0 : caseSeconds(processes, keys, 1, day)) +
    caseSeconds(processes, keys, ratesPerSecond.length, window, rounds),
  async run({ keys, ratesPerSecond, ...parameters }, context) {
    const { engine, seed, sla } = context.options;
    const system = { ...DEFAULT_QUORUM, durability: 'buffered', engine } as const;
    const subject = subjectOf({ ...system, directory: '' }, 'lww bucket, half gets, half puts');
    const caseOf = (steps: readonly OpenStep[], round: number, directory: string): CaseSpec => ({
      kind: 'steps',
      system: { ...system, directory },
      workload: { ...WORKLOAD, keys, seed: seed + round },
      steps,
    });
    const days = parameters.day === null ? [] : [dayStep(parameters.day, parameters)];
    const day =
      days.length === 0 ? null : await context.runCase('a day', caseOf(days, 0, context.scratch('day')));
    const dayRows = (day?.steps ?? []).flatMap((step, index) =>
      rowsOf(subject, days[index]!, [step]).map((row) => ({ ...row, part: 'day', bins: dayBins(step, row) })),
    );
    const steps = ratesPerSecond.map((perSecond) => openStep(perSecond, parameters));
    const reports = steps.map((): StepReport[] => []);
    for (const round of context.rounds(parameters.rounds)) {
      // Rates rise in every round: a backlog of a higher one would be the next one's.
      const report = await context.runRound('offered rates', round, (directory) =>
        caseOf(steps, round, directory),
      );
      report?.steps.forEach((step, index) => reports[index]!.push(step));
    }
    const rateRows = steps.flatMap((step, index) =>
      rowsOf(subject, step, reports[index]!).map((row) => ({
        ...row,
        part: 'rates',
        ratePerSecond: ratesPerSecond[index]!,
        sla,
        slaKept: keeps(row, sla.oneIn, sla.withinUs),
      })),
    );
    return { rows: [...dayRows, ...rateRows] };
  },
  findings(rows) {
    const [day, rates] = [rows.filter(isDay), rows.filter((row) => !isDay(row))];
    const texts = day.map(
      (row) =>
        `Over the day a ${row.op} took ${timeText(row.meanUs)} on average, and ${timeText(row.p999Us)} at p99.9: ${shortNumber((row.p999Us ?? 0) / (row.meanUs || 1))} times the average (paper: about 10).`,
    );
    const kept = highestKept(rates);
    const [first] = rates;
    if (first === undefined) return texts;
    const sla = slaText(first['sla'] as Sla);
    texts.push(
      kept === null
        ? `None of the offered rates keeps ${sla} for both gets and puts.`
        : `The highest offered rate that keeps ${sla} for both gets and puts is ${shortNumber(kept)} requests/s.`,
    );
    return texts;
  },
  figures(rows) {
    const day = rows.filter(isDay);
    const rates = rows.filter((row) => !isDay(row));
    return [
      ...(day.length > 0 ? [dayFigure(day)] : []),
      ...(rates.length > 0 ? [stickFigure(rates), tailFigure(rates)] : []),
    ];
  },
});

interface DayBin extends BinSummary {
  readonly hour: number;
}

function dayStep(day: Window, { peakPerSecond, bins }: Pick<Parameters, 'peakPerSecond' | 'bins'>): OpenStep {
  return openStep(peakPerSecond, day, { arrivals: 'diurnal', bins });
}

function dayBins(step: StepReport, { op }: Row): readonly DayBin[] {
  const bins = binSummaries([step], op === 'put' ? 'put' : 'get');
  return bins.map((bin, index) => ({ ...bin, hour: ((index + 0.5) * DAY_HOURS) / bins.length }));
}

function isDay(row: Row): boolean {
  return row['part'] === 'day';
}

function rateOf(row: Row): number {
  return Number(row['ratePerSecond']);
}

/** All requests offered must have been answered, and the percentile be within the limit. */
function keeps(row: Row, oneIn: number, withinUs: number): boolean {
  if (Number(row['failed']) > 0 || Number(row['unfinished']) > 0) return false;
  const curve = LatencyHistogram.decode(String(row['histogram']));
  return curve.valueAtUs(oneIn) <= withinUs;
}

function highestKept(rows: readonly Row[]): number | null {
  const broken = Math.min(
    Number.POSITIVE_INFINITY,
    ...rows.filter((row) => row['slaKept'] !== true).map(rateOf),
  );
  const kept = rows.map(rateOf).filter((rate) => rate < broken);
  return kept.length === 0 ? null : Math.max(...kept);
}

function dayFigure(rows: readonly Row[]): Figure {
  const bins = (row: Row): readonly DayBin[] => row['bins'] as readonly DayBin[];
  const lines = rows.flatMap((row) =>
    (['meanUs', 'p999Us'] as const).map((field) => ({
      name: `${row.op}, ${field === 'meanUs' ? 'mean' : 'p99.9'}`,
      kind: 'line' as const,
      points: bins(row).flatMap((bin) => (bin[field] === null ? [] : [{ x: bin.hour, y: bin[field] }])),
    })),
  );
  return {
    id: 'latency-day',
    title: 'A day in fast motion: mean and p99.9 of gets and puts (paper: Fig. 4)',
    description: `Latency over the 24 hours of a day whose load rises from ${NIGHT} of the peak at midnight to the peak at noon; the paper’s milliseconds are dashed.`,
    x: { label: 'hour of the day (peak at noon)', scale: 'linear', from: 0, to: DAY_HOURS },
    y: LATENCY_AXIS,
    series: lines,
    references: [
      { axis: 'y', value: PAPER_US.p999, label: 'paper, p99.9: around 200 ms' },
      { axis: 'y', value: PAPER_US.mean, label: 'paper, mean: about 20 ms' },
    ],
    table: {
      columns: [
        'hour',
        ...rows.flatMap((row) => [`${row.op} mean µs`, `${row.op} p99.9 µs`, `${row.op} samples`]),
      ],
      rows: bins(rows[0]!).map((bin, index) => [
        bin.hour,
        ...rows.flatMap((row) => {
          const own = bins(row)[index];
          return [own?.meanUs ?? null, own?.p999Us ?? null, own?.samples ?? null];
        }),
      ]),
    },
  };
}

function stickFigure(rows: readonly Row[]): Figure {
  const sla = rows[0]!['sla'] as Sla;
  return {
    id: 'latency-rates',
    title: 'Where it bends: latency against offered rate',
    description: 'Mean and p99.9 of gets and puts by offered rate, with the SLA as a dashed line.',
    x: { label: 'offered, requests/s', scale: 'log' },
    y: LATENCY_AXIS,
    series: [
      ...linesBy(
        rows,
        (row) => `${row.op}, mean`,
        rateOf,
        (row) => row.meanUs,
      ),
      ...linesBy(
        rows,
        (row) => `${row.op}, p99.9`,
        rateOf,
        (row) => row.p999Us,
      ),
    ],
    references: [{ axis: 'y', value: sla.withinUs, label: `SLA: ${slaText(sla)}` }],
    table: tableOf(rows, {
      'offered/s': rateOf,
      op: (row) => row.op,
      'answered/s': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      samples: (row) => row.samples,
      SLA: (row) => (row['slaKept'] === true ? 'kept' : 'broken'),
      generator: (row) => (row.generatorBound === true ? 'bound' : 'free'),
    }),
  };
}

function tailFigure(rows: readonly Row[]): Figure {
  const middle = rateOf(rows[rows.length >> 1]!);
  const chosen = rows.filter((row) => rateOf(row) === middle);
  return percentileFigure(
    'latency-percentiles',
    `The whole distribution at ${shortNumber(middle)} requests/s`,
    chosen,
    (row) => String(row.op),
  );
}
