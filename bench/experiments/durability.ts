import type { CaseSpec, ClosedStep, LoadStep, OpenStep, StepReport } from '../cases/case.js';
import { type Level, PEAK_IN_FLIGHT } from '../durability/levels.js';
import { figures, findings, goals } from '../durability/report.js';
import type { RiskInput, RiskReport } from '../durability/risk.js';
import { interleaved, median } from '../measure/statistics.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import {
  DEFAULT_QUORUM,
  DURABILITIES,
  NEEDS_DISK,
  FEWER_KEYS,
  supportsDurability,
  WORKLOAD,
} from '../suite/defaults.js';
import { defineExperiment, type ExperimentContext } from '../suite/experiment.js';
import { binSummaries, caseSeconds, openStep } from '../suite/load-steps.js';

interface Parameters {
  readonly levels: readonly Level[];
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

const LOAD = { levels: DURABILITIES, ratesPerSecond: [2_000], peakPerSecond: null };
/** Windows in which a peak is looked for: in the first ones the code is still being compiled, in any a disk may stall. */
const PEAK_WINDOWS = 3;
const KILL_SECONDS = 1.2;
const KILL_LOAD_PER_SECOND = 3_000;

/** Fig. 5 of the paper: what waiting for the disk costs, on average and at the tail, and what not waiting risks. */
export default defineExperiment<Parameters>({
  name: 'durability',
  title: 'Durability: what waiting for the disk costs, and what not waiting risks',
  question: 'What do puts cost at each level of durability, and what is gone when the process is killed?',
  order: 2,
  inQuickRuns: true,
  explanation: {
    shows:
      'Buffered puts are answered from memory; one-durable is the paper’s hybrid, in which one replica syncs at once and nobody waits for it; committed puts wait until the journal is written, durable ones until it is synced. The first figure is p99.9 over the run at durable’s peak: the rate that durable writes reach with 64 in flight (in a quick run at a rate that is given). The last two show the price of not waiting: acknowledged writes that were gone after the process had been killed, and how old they were.',
    measured:
      'N=3, W=2, 100-byte values, one calling thread, levels in turns and each in a fresh process. A closed loop with 1 to many puts in flight gives the rates; Poisson arrivals give latencies. For the risk a process writes new keys at 3,000/s, noting each acknowledgement outside of the store, until it is killed with SIGKILL at a random moment; the next process looks for every one of them on all replicas, and the last one for those of all processes.',
    paper:
      'Fig. 5: a buffer of 1,000 objects in memory lowers the p99.9 of writes at peak load by a factor of five, and smooths it; read off its plot, it is two to three.',
    follows:
      'Use `buffered` where the last milliseconds of writes may go with a killed process, `one-durable` to make that window shorter at no cost to the answer, `committed` where a killed process must lose nothing, `durable` where a power cut must not either. The level is chosen per bucket and per put. What `stats().atRisk` calls safe was never lost.',
  },
  parameters: {
    quick: {
      // The time of a quick run is dear, and the hybrid's line wants a longer one.
      levels: ['buffered', 'committed', 'durable'],
      ratesPerSecond: [],
      rounds: 1,
      inFlight: [64],
      warmupSeconds: 0.1,
      seconds: 0.3,
      closedSeconds: 0.15,
      bins: 4,
      keys: FEWER_KEYS,
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
      keys: FEWER_KEYS,
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
  seconds: (
    { levels, rounds, keys, inFlight, ratesPerSecond, peakPerSecond, kills, closedSeconds, ...window },
    processes,
  ) =>
    (peakPerSecond === null ? caseSeconds(processes, keys, PEAK_WINDOWS, window) : 0) +
    levels.length *
      (caseSeconds(processes, keys, ratesPerSecond.length + 1, window, rounds) +
        rounds * inFlight.length * (window.warmupSeconds + closedSeconds) +
        (kills === 0 ? 0 : (kills + 1) * KILL_SECONDS)),
  async run(parameters, context) {
    const levels = parameters.levels.filter((level) => {
      const supported = supportsDurability(context.options.engine, level);
      if (!supported) context.skip(level, NEEDS_DISK);
      return supported;
    });
    const risks = await measureRisks(parameters, context, levels);
    const peak = parameters.peakPerSecond ?? (await durablePeak(parameters, context, levels.at(-1)!));
    const steps = stepsOf(parameters, peak);
    const results = levels.map((level) => ({ level, reports: steps.map((): StepReport[] => []) }));
    for (const round of context.rounds(parameters.rounds)) {
      for (const { level, reports } of interleaved(results, round)) {
        const report = await context.runRound(level, round, (directory) =>
          levelCase(parameters, context, level, steps, round, directory),
        );
        report?.steps.forEach((step, index) => reports[index]?.push(step));
      }
    }
    const rows = results.flatMap(({ level, reports }) =>
      steps.flatMap((step, index) => levelRows(context, level, step, reports[index]!, peak)),
    );
    return { rows: [...rows, ...risks], summary: goals(rows, risks, parameters) };
  },
  findings,
  figures,
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

/** The rate that the slowest level reaches with many puts in flight, at its best. */
async function durablePeak(
  parameters: Parameters,
  context: ExperimentContext,
  level: Level,
): Promise<number | null> {
  const steps = Array.from({ length: PEAK_WINDOWS }, () => closedStep(parameters, PEAK_IN_FLIGHT));
  const directory = context.scratch('peak');
  const report = await context.runCase(
    `peak of ${level}`,
    levelCase(parameters, context, level, steps, 0, directory),
  );
  const rates = (report?.steps ?? []).map(({ loops }) => loops[0]?.operations[0]?.opsPerSecond ?? 0);
  const best = Math.max(0, ...rates);
  return best === 0 ? null : Math.round(best / 100) * 100;
}

function levelCase(
  { keys }: Parameters,
  context: ExperimentContext,
  durability: Level,
  steps: readonly LoadStep[],
  round: number,
  directory: string,
): CaseSpec {
  const { engine, seed } = context.options;
  return {
    kind: 'steps',
    system: { ...DEFAULT_QUORUM, durability, engine, directory },
    workload: { ...WORKLOAD, keys, seed: seed + round },
    steps,
  };
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
