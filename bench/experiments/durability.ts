import type { LoadStep, StepReport } from '../cases/case.js';
import { percentileFigure } from '../figures/curves.js';
import { interleaved } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import {
  DEFAULT_QUORUM,
  DURABILITIES,
  NEEDS_DISK,
  QUICK_KEYS,
  supportsDurability,
  WORKLOAD,
} from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';

interface Parameters {
  readonly rounds: number;
  readonly inFlight: number;
  readonly perSecond: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly keys: number;
}

const LOAD = { inFlight: 64, perSecond: 4_000 };

/** Fig. 5 of the paper: what waiting for the disk costs, on average and at the tail. */
export default defineExperiment<Parameters>({
  name: 'durability',
  title: 'Durability: what waiting for the disk costs',
  explanation: {
    shows:
      'Puts at each level of durability: the highest rate with many in flight, and the latency at a fixed rate. Buffered puts are answered from memory, committed ones when the journal is written, durable ones when it is synced.',
    measured:
      'N=3, W=2, 100-byte values, one calling thread; a closed loop with 64 in flight, then Poisson arrivals. Levels take turns, each in a fresh process.',
    paper:
      'Fig. 5: a buffer of 1,000 objects in memory lowers the p99.9 of writes at peak load by a factor of five, and smooths it; by the plot it is two to three.',
    follows:
      'Use buffered where the last milliseconds of writes may go with a killed process, committed where they may not, durable where a power cut must lose nothing. The level is a choice per bucket and per put.',
  },
  question: 'What do committed and durable puts cost beside buffered ones (N=3, W=2)?',
  parameters: {
    quick: { ...LOAD, rounds: 1, warmupSeconds: 0.15, seconds: 0.5, keys: QUICK_KEYS },
    default: { ...LOAD, rounds: 3, warmupSeconds: 1, seconds: 3, keys: WORKLOAD.keys },
    full: { ...LOAD, rounds: 5, warmupSeconds: 2, seconds: 60, keys: WORKLOAD.keys },
  },
  seconds: ({ rounds, warmupSeconds, seconds }) =>
    rounds * DURABILITIES.length * (2 + 2 * (warmupSeconds + seconds)),
  async run(parameters, context) {
    const { engine, seed } = context.options;
    const steps = stepsOf(parameters);
    const levels = DURABILITIES.filter((durability) => {
      const supported = supportsDurability(engine, durability);
      if (!supported) context.skip(durability, NEEDS_DISK);
      return supported;
    });
    const contestants = levels.map((durability) => ({
      durability,
      reports: steps.map((): StepReport[] => []),
    }));
    for (let round = 0; round < parameters.rounds; round++) {
      for (const { durability, reports } of interleaved(contestants, round)) {
        const report = await context.runCase(`${durability}, round ${round + 1}`, {
          kind: 'steps',
          system: { ...DEFAULT_QUORUM, durability, engine, directory: context.scratch(durability) },
          workload: { ...WORKLOAD, keys: parameters.keys, seed: seed + round },
          steps,
        });
        report?.steps.forEach((step, index) => reports[index]?.push(step));
      }
    }
    return {
      rows: contestants.flatMap(({ durability, reports }) => {
        const subject = subjectOf({ ...DEFAULT_QUORUM, durability, engine, directory: '' }, 'lww bucket');
        return steps.flatMap((step, index) => rowsOf(subject, step, reports[index]!));
      }),
    };
  },
  findings: () => [],
  figures(rows) {
    const open = rows.filter((row) => row.offeredPerSecond !== null);
    if (open.length === 0) return [];
    const title = 'Latency of puts by durability, at a fixed rate';
    return [percentileFigure('durability-percentiles', title, open, (row) => String(row.durability))];
  },
});

function stepsOf({ inFlight, perSecond, warmupSeconds, seconds }: Parameters): readonly LoadStep[] {
  const time = { warmupSeconds, seconds, callers: 1 };
  return [
    { kind: 'closed', op: 'put', inFlight, ...time },
    { kind: 'open', arrivals: 'poisson', putFraction: 1, perSecond, ...time },
  ];
}
