import { rowsOf, subjectOf } from '../report/rows.js';
import { defineExperiment } from '../suite/experiment.js';
import type { OpenStep } from '../cases/case.js';
import { DEFAULT_QUORUM, WORKLOAD } from '../suite/defaults.js';

/** Fig. 4 of the paper asks the same of a day's load. */
export default defineExperiment({
  name: 'latency',
  question: 'How long do gets and puts take at five offered rates (open loop, half gets, half puts)?',
  parameters: {
    quick: { ratesPerSecond: [1_000, 5_000, 10_000, 20_000, 40_000], warmupSeconds: 0.2, seconds: 0.6 },
    default: { ratesPerSecond: [1_000, 5_000, 10_000, 20_000, 40_000], warmupSeconds: 1.5, seconds: 9 },
  },
  seconds: ({ ratesPerSecond, warmupSeconds, seconds }) =>
    2 + ratesPerSecond.length * (warmupSeconds + seconds + 0.5),
  async run({ ratesPerSecond, warmupSeconds, seconds }, context) {
    const { engine, seed } = context.options;
    const system = {
      ...DEFAULT_QUORUM,
      durability: 'buffered',
      engine,
      directory: context.scratch('ringlet'),
    } as const;
    const steps = ratesPerSecond.map((perSecond): OpenStep => ({
      kind: 'open',
      arrivals: 'poisson',
      putFraction: 0.5,
      perSecond,
      callers: 1,
      warmupSeconds,
      seconds,
    }));
    const report = await context.runCase('five offered rates', {
      kind: 'steps',
      system,
      workload: { ...WORKLOAD, seed },
      steps,
    });
    const subject = subjectOf(system, 'lww bucket, half gets, half puts');
    return { rows: (report?.steps ?? []).flatMap((step, index) => rowsOf(subject, steps[index]!, [step])) };
  },
});
