import type { ClosedStep, LoadStep, OpenStep, StepReport } from '../cases/case.js';
import type { RiskInput, RiskReport } from '../durability/risk.js';
import { percentileFigure } from '../figures/curves.js';
import { linesBy, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { interleaved, median } from '../measure/statistics.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../report/rows.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atLeast, atMost, ratio } from '../report/summary.js';
import {
  DEFAULT_QUORUM,
  DURABILITIES,
  NEEDS_DISK,
  QUICK_KEYS,
  supportsDurability,
  WORKLOAD,
} from '../suite/defaults.js';
import { defineExperiment, type ExperimentContext } from '../suite/experiment.js';
import { binSummaries, caseSeconds, openStep } from '../suite/load-steps.js';

interface Parameters {
  readonly rounds: number;
  readonly inFlight: readonly number[];
  /** Besides durable's own peak. */
  readonly ratesPerSecond: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly closedSeconds: number;
  readonly bins: number;
  readonly keys: number;
  /** The rate at which levels are compared; null: the one that durable writes sustain, measured first. */
  readonly peakPerSecond: number | null;
  /** Of each level. */
  readonly kills: number;
}

type Level = (typeof DURABILITIES)[number];

const LOAD = { ratesPerSecond: [2_000], peakPerSecond: null };
const PEAK_IN_FLIGHT = 64;
const KILL_SECONDS = 1.2;
const KILL_LOAD_PER_SECOND = 3_000;
const GOALS = { durableOverBuffered: 5, hybridOverBuffered: 1.3 };

/** Fig. 5 of the paper: what waiting for the disk costs, on average and at the tail, and what not waiting risks. */
export default defineExperiment<Parameters>({
  name: 'durability',
  title: 'Durability: what waiting for the disk costs, and what not waiting risks',
  question: 'What do puts cost at each level of durability, and what is gone when the process is killed?',
  order: 2,
  inQuickRuns: true,
  explanation: {
    shows:
      'Buffered puts are answered from memory; one-durable is the paper’s hybrid, in which one replica syncs at once and nobody waits for it; committed puts wait until the journal is written, durable ones until it is synced. The first figure is p99.9 over the run at the highest rate that durable writes sustain. The last two show the price of not waiting: acknowledged writes that were gone after the process had been killed, and how old they were.',
    measured:
      'N=3, W=2, 100-byte values, one calling thread, levels in turns and each in a fresh process. A closed loop with 1 to many puts in flight gives the rates; Poisson arrivals give latencies. For the risk a process writes new keys at 3,000/s, noting each acknowledgement outside of the store, until it is killed with SIGKILL at a random moment; the next process looks for every one of them on all replicas.',
    paper:
      'Fig. 5: a buffer of 1,000 objects in memory lowers the p99.9 of writes at peak load by a factor of five, and smooths it; read off its plot, it is two to three.',
    follows:
      'Use `buffered` where the last milliseconds of writes may go with a killed process, `one-durable` to make that window shorter at no cost to the answer, `committed` where a killed process must lose nothing, `durable` where a power cut must not either. The level is chosen per bucket and per put. What `stats().atRisk` calls safe was never lost.',
  },
  parameters: {
    quick: {
      ratesPerSecond: [],
      rounds: 1,
      inFlight: [64],
      warmupSeconds: 0.1,
      seconds: 0.3,
      closedSeconds: 0.15,
      bins: 4,
      keys: QUICK_KEYS,
      peakPerSecond: 5_000,
      kills: 0,
    },
    default: {
      ...LOAD,
      rounds: 3,
      inFlight: [1, 16, 64, 256],
      warmupSeconds: 0.2,
      seconds: 1.2,
      closedSeconds: 0.4,
      bins: 10,
      keys: WORKLOAD.keys,
      kills: 10,
    },
    full: {
      ...LOAD,
      rounds: 5,
      inFlight: [1, 4, 16, 64, 256],
      warmupSeconds: 2,
      seconds: 20,
      closedSeconds: 5,
      bins: 40,
      keys: WORKLOAD.keys,
      kills: 200,
    },
  },
  seconds: ({ rounds, inFlight, ratesPerSecond, peakPerSecond, kills, closedSeconds, ...window }) =>
    (peakPerSecond === null ? caseSeconds(1, window) : 0) +
    DURABILITIES.length *
      (rounds *
        (caseSeconds(ratesPerSecond.length + 1, window) +
          inFlight.length * (window.warmupSeconds + closedSeconds)) +
        (kills === 0 ? 0 : (kills + 1) * KILL_SECONDS)),
  async run(parameters, context) {
    const levels = DURABILITIES.filter((level) => {
      const supported = supportsDurability(context.options.engine, level);
      if (!supported) context.skip(level, NEEDS_DISK);
      return supported;
    });
    const peak = parameters.peakPerSecond ?? (await durablePeak(parameters, context, levels.at(-1)!));
    const steps = stepsOf(parameters, peak);
    const results = levels.map((level) => ({ level, reports: steps.map((): StepReport[] => []) }));
    for (let round = 0; round < parameters.rounds; round++) {
      for (const { level, reports } of interleaved(results, round)) {
        const report = await runLevel(parameters, context, level, steps, round);
        report?.steps.forEach((step, index) => reports[index]?.push(step));
      }
    }
    const rows = results.flatMap(({ level, reports }) =>
      steps.flatMap((step, index) => levelRows(context, level, step, reports[index]!, peak)),
    );
    const risks = await measureRisks(parameters, context, levels);
    return { rows: [...rows, ...risks], summary: goals(rows, risks) };
  },
  findings(rows) {
    const at = (level: Level): Row | undefined => atPeak(rows).find((row) => row.durability === level);
    const [buffered, durable, hybrid] = [at('buffered'), at('durable'), at('one-durable')];
    const texts: string[] = [];
    if (buffered !== undefined && durable !== undefined) {
      texts.push(
        `At ${shortNumber(durable.offeredPerSecond ?? 0)} puts/s, the most that durable writes sustain, p99.9 is ${timeText(durable.p999Us)} for durable and ${timeText(buffered.p999Us)} for buffered writes: a factor of ${shortNumber((durable.p999Us ?? 0) / (buffered.p999Us || 1))} (paper: 5).`,
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
  },
  figures(rows) {
    const [open, closed, risks] = [
      atPeak(rows),
      rows.filter((row) => row.inFlight !== null),
      rows.filter(isRisk),
    ];
    return [
      ...(open.length > 0
        ? [
            smoothingFigure(open),
            percentileFigure('durability-percentiles', 'The whole distribution at that rate', open, levelOf),
          ]
        : []),
      ...(closed.some((row) => row.inFlight !== PEAK_IN_FLIGHT) ? [depthFigure(closed)] : []),
      ...(risks.length > 0 ? riskFigures(risks) : []),
    ];
  },
});

function closedStep({ warmupSeconds, closedSeconds }: Parameters, inFlight: number): ClosedStep {
  return { kind: 'closed', op: 'put', inFlight, callers: 1, warmupSeconds, seconds: closedSeconds };
}

function stepsOf(parameters: Parameters, peak: number | null): readonly LoadStep[] {
  const { inFlight, ratesPerSecond, bins, ...window } = parameters;
  const open = (rate: number): OpenStep => openStep(rate, window, { putFraction: 1, bins });
  return [
    ...[...ratesPerSecond, ...(peak === null ? [] : [peak])].map(open),
    ...inFlight.map((depth) => closedStep(parameters, depth)),
  ];
}

/** The rate that the slowest level reaches with many puts in flight. */
async function durablePeak(
  parameters: Parameters,
  context: ExperimentContext,
  level: Level,
): Promise<number | null> {
  const report = await runLevel(parameters, context, level, [closedStep(parameters, PEAK_IN_FLIGHT)], -1);
  const rate = report?.steps[0]?.loops[0]?.operations[0]?.opsPerSecond;
  return rate === undefined ? null : Math.round(rate / 100) * 100;
}

async function runLevel(
  { keys }: Parameters,
  context: ExperimentContext,
  durability: Level,
  steps: readonly LoadStep[],
  round: number,
): ReturnType<ExperimentContext['runCase']> {
  const { engine, seed } = context.options;
  return await context.runCase(round < 0 ? `peak of ${durability}` : `${durability}, round ${round + 1}`, {
    kind: 'steps',
    system: { ...DEFAULT_QUORUM, durability, engine, directory: context.scratch(durability) },
    workload: { ...WORKLOAD, keys, seed: seed + round },
    steps,
  });
}

function levelRows(
  context: ExperimentContext,
  durability: Level,
  step: LoadStep,
  reports: readonly StepReport[],
  peak: number | null,
): readonly Row[] {
  const { engine } = context.options;
  const subject = subjectOf({ ...DEFAULT_QUORUM, durability, engine, directory: '' }, 'lww bucket');
  const atItsPeak = step.kind === 'open' && step.perSecond === peak;
  return rowsOf(subject, step, reports).map((row) => ({
    ...row,
    part: atItsPeak ? 'peak' : step.kind,
    // Its offered rate is another one in each run.
    ...(atItsPeak ? { id: `peak/${durability}` } : {}),
    bins: step.kind === 'open' ? binSummaries(reports, 'put') : null,
  }));
}

async function measureRisks(
  { kills }: Parameters,
  context: ExperimentContext,
  levels: readonly Level[],
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  if (kills === 0) return rows;
  for (const level of levels) {
    const input: RiskInput = {
      directory: context.scratch(`risk-${level}`),
      level,
      kills,
      perSecond: KILL_LOAD_PER_SECOND,
      seed: context.options.seed,
    };
    const report = await context.runCase(`${level}: ${kills} kills`, {
      kind: 'module',
      url: new URL('../durability/risk.js', import.meta.url).href,
      input,
      seconds: (kills + 1) * KILL_SECONDS,
    });
    const output = (report?.output ?? null) as RiskReport | null;
    if (output !== null) rows.push(riskRow(level, output, context.options.engine));
  }
  return rows;
}

function riskRow(durability: Level, report: RiskReport, engine: string): Row {
  const { kills, acknowledged, lost, lostUnderWatermark, lostAgesMs } = report;
  return {
    ...EMPTY_ROW,
    system: 'ringlet',
    setting: `killed ${kills} times under ${KILL_LOAD_PER_SECOND} puts/s`,
    n: 3,
    r: 2,
    w: 2,
    durability,
    engine,
    part: 'risk',
    kills,
    acknowledged,
    lost,
    lostUnderWatermark,
    oldestLostMs: lost === 0 ? 0 : Math.max(...lostAgesMs),
    medianLostMs: lost === 0 ? 0 : median(lostAgesMs),
    lostAgesMs,
    remark: `${lost} of ${acknowledged} gone, ${lostUnderWatermark} under a watermark`,
  };
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

function goals(rows: readonly Row[], risks: readonly Row[]): readonly SummaryLine[] {
  const p999 = (level: Level): number | null =>
    atPeak(rows).find((row) => row.durability === level)?.p999Us ?? null;
  const lost = (levels: readonly Level[], field: 'lost' | 'lostUnderWatermark'): number | null => {
    const chosen = risks.filter((row) => (levels as readonly unknown[]).includes(row.durability));
    return chosen.length < levels.length ? null : chosen.reduce((sum, row) => sum + Number(row[field]), 0);
  };
  const lines = [
    atLeast(
      "durable over buffered puts, p99.9 at durable's peak",
      GOALS.durableOverBuffered,
      ratio(p999('durable'), p999('buffered')),
      '×',
    ),
    atMost(
      'one-durable over buffered puts, p99.9 at that rate',
      GOALS.hybridOverBuffered,
      ratio(p999('one-durable'), p999('buffered')),
      '×',
    ),
  ];
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

function smoothingFigure(rows: readonly Row[]): Figure {
  const bins = (row: Row): ReturnType<typeof binSummaries> => row['bins'] as ReturnType<typeof binSummaries>;
  const seconds = Number(rows[0]!['seconds']);
  return {
    id: 'durability-smoothing',
    title: 'p99.9 of puts over the run, at the highest rate of durable writes (paper: Fig. 5)',
    description:
      'One line per level of durability. Buffered and one-durable lie low and even, durable lies high.',
    x: { label: 'seconds', scale: 'linear', from: 0, to: seconds },
    y: { label: 'p99.9, µs', scale: 'log' },
    series: rows.map((row) => ({
      name: levelOf(row),
      kind: 'line',
      points: bins(row).flatMap(({ p999Us }, index) =>
        p999Us === null ? [] : [{ x: ((index + 0.5) * seconds) / bins(row).length, y: p999Us }],
      ),
    })),
    table: tableOf(rows, {
      level: levelOf,
      'offered/s': (row) => row.offeredPerSecond,
      'mean µs': (row) => row.meanUs,
      p50: (row) => row.p50Us,
      'p99.9': (row) => row.p999Us,
      'worst bin, p99.9': (row) => Math.max(...bins(row).map(({ p999Us }) => p999Us ?? 0)),
      'best bin, p99.9': (row) =>
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
      'One line per level. With one put in flight a durable put pays a whole sync; with many, syncs are shared and the lines come together.',
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
      'p99.9': (row) => row.p999Us,
      spread: (row) => Number(row['spread']),
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
