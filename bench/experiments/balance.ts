import type { NodeLoads, OpenStep } from '../cases/case.js';
import { balance, IMBALANCE_THRESHOLD, sum } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import { DEFAULT_QUORUM, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';

/** Fig. 6 of the paper, with its criterion of 15 %, over bins of each rate's window. */
export default defineExperiment({
  name: 'balance',
  question: 'How evenly do uniform keys load the nodes, and how many are out of balance by 15 %?',
  parameters: {
    quick: {
      ratesPerSecond: [200, 2_000, 20_000],
      warmupSeconds: 0.1,
      seconds: 0.6,
      threshold: IMBALANCE_THRESHOLD,
    },
    default: {
      ratesPerSecond: [200, 2_000, 20_000],
      warmupSeconds: 1,
      seconds: 6,
      threshold: IMBALANCE_THRESHOLD,
    },
  },
  seconds: ({ ratesPerSecond, warmupSeconds, seconds }) =>
    2 + ratesPerSecond.length * (warmupSeconds + seconds + 0.5),
  async run({ ratesPerSecond, warmupSeconds, seconds, threshold }, context) {
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
    const report = await context.runCase('load per node', {
      kind: 'steps',
      system,
      workload: { ...WORKLOAD, seed },
      steps,
    });
    const subject = subjectOf(system, 'lww bucket, uniform keys, half gets, half puts');
    const rows = (report?.steps ?? []).flatMap((step, index) =>
      rowsOf(subject, steps[index]!, [step]).map((row) => {
        const loads = step.loads && loadFields(step.loads, threshold);
        return { ...row, ...loads, remark: loads === null ? 'no loads' : loads.remark };
      }),
    );
    return { rows };
  },
});

/** Loads count reads, direct reads, coordinated and replicated writes of a node's virtual nodes. */
function loadFields(
  { nodes, bins }: NodeLoads,
  threshold: number,
): Record<string, unknown> & { remark: string } {
  const capacities = nodes.map((node) => node.capacity);
  const totals = nodes.map((_, node) => sum(bins.map((bin) => bin[node] ?? 0)));
  const whole = balance(totals, capacities, threshold);
  const fractions = bins.map((bin) => balance(bin, capacities, threshold).outOfBalance);
  const outOfBalance = sum(fractions) / Math.max(1, bins.length);
  return {
    nodes: nodes.map(({ id, capacity }, node) => ({
      id,
      capacity,
      load: totals[node],
      relativeLoad: whole.relativeLoads[node],
    })),
    worstDeviation: whole.worstDeviation,
    outOfBalance,
    outOfBalancePerBin: fractions,
    remark: `${percent(outOfBalance)} of nodes out of balance, worst node ${percent(whole.worstDeviation)} off`,
  };
}

function percent(fraction: number): string {
  return `${(fraction * 100).toFixed(1)} %`;
}
