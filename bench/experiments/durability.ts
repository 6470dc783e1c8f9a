import type { LoadStep, StepReport } from '../cases/case.js';
import { interleaved } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import { DEFAULT_QUORUM, DURABILITIES, NEEDS_DISK, supportsDurability, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';

interface Parameters {
  readonly rounds: number;
  readonly inFlight: number;
  readonly perSecond: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** Fig. 5 of the paper: what waiting for the disk costs, on average and at the tail. */
export default defineExperiment<Parameters>({
  name: 'durability',
  question: 'What do committed and durable puts cost beside buffered ones (N=3, W=2)?',
  parameters: {
    quick: { rounds: 1, inFlight: 64, perSecond: 4_000, warmupSeconds: 0.15, seconds: 0.6 },
    default: { rounds: 3, inFlight: 64, perSecond: 4_000, warmupSeconds: 1, seconds: 3 },
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
          workload: { ...WORKLOAD, seed: seed + round },
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
});

function stepsOf({ inFlight, perSecond, warmupSeconds, seconds }: Parameters): readonly LoadStep[] {
  const time = { warmupSeconds, seconds, callers: 1 };
  return [
    { kind: 'closed', op: 'put', inFlight, ...time },
    { kind: 'open', arrivals: 'poisson', putFraction: 1, perSecond, ...time },
  ];
}
