import type { NodeLoads, StepReport } from '../cases/case.js';
import { linesBy, tableOf, type Figure } from '../figures/figure.js';
import { balance, IMBALANCE_THRESHOLD, interleaved, sum } from '../measure/statistics.js';
import type { Distribution } from '../measure/workload.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atMost } from '../report/summary.js';
import { DEFAULT_QUORUM, FEWER_KEYS, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';
import { caseSeconds, openStep } from '../suite/load-steps.js';

interface Variant {
  readonly name: string;
  readonly distribution: Distribution;
  readonly capacity?: Readonly<Record<string, number>>;
}

const VARIANTS: readonly Variant[] = [
  { name: 'uniform keys', distribution: 'uniform' },
  { name: 'zipfian keys', distribution: 'zipfian' },
  { name: 'uniform keys, n1 twice as strong', distribution: 'uniform', capacity: { n1: 2 } },
];

/** Fig. 6 of the paper, with its criterion of 15 %, over bins of each rate's window. */
export default defineExperiment({
  name: 'balance',
  order: 3,
  inQuickRuns: true,
  title: 'Balance: does every node get its share?',
  question:
    'How many nodes are out of balance by 15 %, at low and at high load, with even and with skewed keys?',
  explanation: {
    shows:
      'A node is out of balance in a stretch of time when its load differs from its fair share by more than 15 %. The first figure is the fraction of such nodes by request rate; the second is each node’s load over its fair share at the highest rate.',
    measured:
      'Eight nodes with N=3, half gets and half puts at Poisson times; each rate’s window is cut into eight bins. A node’s load is what its virtual nodes count: reads by message, direct reads, coordinated and replicated writes. Zipfian keys follow YCSB (constant 0.99, scattered): the most popular key gets about one request in 26.',
    paper:
      'Fig. 6: 20 % of the nodes were out of balance at low load and about 10 % at high load (low is an eighth of the peak), because many popular keys spread better than few. The plot takes only the values 0, 1/9 and 2/9, so it shows about nine nodes.',
    follows:
      'Placement is even; what unbalances nodes is chance at low rates, where it does not hurt, and single hot keys, which no placement can split. If a hot key matters, keep it in the calling threads for a moment: all gets of a key ask its first owners, however many copies there are.',
  },
  parameters: {
    quick: {
      rounds: 1,
      keys: FEWER_KEYS,
      nodes: 8,
      variants: ['uniform keys'],
      ratesPerSecond: [250, 2_000],
      warmupSeconds: 0.1,
      seconds: 0.4,
      threshold: IMBALANCE_THRESHOLD,
    },
    default: {
      rounds: 1,
      keys: FEWER_KEYS,
      nodes: 8,
      variants: VARIANTS.map(({ name }) => name),
      ratesPerSecond: [125, 500, 2_000, 8_000],
      warmupSeconds: 0.4,
      seconds: 1.8,
      threshold: IMBALANCE_THRESHOLD,
    },
    full: {
      rounds: 3,
      keys: WORKLOAD.keys,
      nodes: 8,
      variants: VARIANTS.map(({ name }) => name),
      ratesPerSecond: [125, 250, 500, 1_000, 2_000, 4_000, 8_000],
      warmupSeconds: 2,
      seconds: 60,
      threshold: IMBALANCE_THRESHOLD,
    },
  },
  seconds: ({ rounds, keys, variants, ratesPerSecond, ...window }, processes) =>
    variants.length * caseSeconds(processes, keys, ratesPerSecond.length, window, rounds),
  async run({ rounds, nodes, variants, ratesPerSecond, threshold, keys, ...window }, context) {
    const { engine, seed } = context.options;
    const steps = ratesPerSecond.map((perSecond) => openStep(perSecond, window, { nodeLoads: true }));
    const chosen = VARIANTS.filter(({ name }) => (variants as readonly string[]).includes(name));
    const results = chosen.map((variant) => ({ variant, reports: steps.map((): StepReport[] => []) }));
    const system = ({ capacity }: Variant, directory: string) =>
      ({
        ...DEFAULT_QUORUM,
        durability: 'buffered',
        engine,
        nodes,
        ...(capacity === undefined ? {} : { capacity }),
        directory,
      }) as const;
    for (const round of context.rounds(rounds)) {
      for (const { variant, reports } of interleaved(results, round)) {
        const { name, distribution } = variant;
        const report = await context.runRound(name, round, (directory) => ({
          kind: 'steps',
          system: system(variant, directory),
          workload: { ...WORKLOAD, keys, seed: seed + round, distribution },
          steps,
        }));
        report?.steps.forEach((step, index) => reports[index]!.push(step));
      }
    }
    const rows = results.flatMap(({ variant, reports }) =>
      steps.flatMap((step, index): Row[] => {
        const { name } = variant;
        const subject = subjectOf(system(variant, ''), `lww bucket, ${nodes} nodes, ${name}`);
        const loads = reports[index]!.flatMap((report) => report.loads ?? []);
        const fields = loads.length === 0 ? { remark: 'no loads' } : loadFields(loads, threshold);
        const ratePerSecond = ratesPerSecond[index];
        const figures = { ...fields, variant: name, ratePerSecond };
        return rowsOf(subject, step, reports[index]!).map((row) => ({ ...row, ...figures }));
      }),
    );
    return { rows, summary: goals(rows) };
  },
  findings(rows) {
    return variantsOf(rows).map(({ name, points }) => {
      const [low, high] = [points[0]!, points.at(-1)!];
      return `${capital(name)}: ${percent(outOfBalance(low))} of the nodes out of balance at ${rateOf(low)} requests/s, ${percent(outOfBalance(high))} at ${rateOf(high)}.`;
    });
  },
  figures: (rows) => (rows.length === 0 ? [] : [fractionFigure(rows), nodesFigure(rows)]),
});

/** The paper's criterion, where keys are popular alike: hot keys unbalance nodes at any rate. */
function goals(rows: readonly Row[]): readonly SummaryLine[] {
  const even = VARIANTS.filter(({ distribution }) => distribution === 'uniform').map(({ name }) => name);
  return variantsOf(rows)
    .filter(({ name }) => even.includes(name))
    .map(({ name, points }) => {
      const [low, high] = [points[0]!, points.at(-1)!].map((row) => 100 * outOfBalance(row));
      return atMost(
        `${name}: nodes out of balance at the highest rate, against the lowest`,
        low!,
        high!,
        '% of nodes',
      );
    });
}

/** One row per rate: get and put of a step carry the same loads. */
function variantsOf(
  rows: readonly Row[],
): readonly { readonly name: string; readonly points: readonly Row[] }[] {
  const names = [...new Set(rows.map((row) => String(row['variant'])))];
  return names.map((name) => ({
    name,
    points: rows.filter((row) => row['variant'] === name && row.op === 'put'),
  }));
}

function rateOf(row: Row): number {
  return Number(row['ratePerSecond']);
}

function outOfBalance(row: Row): number {
  return Number(row['outOfBalance'] ?? 0);
}

function fractionFigure(rows: readonly Row[]): Figure {
  const steps = variantsOf(rows).flatMap(({ points }) => points);
  return {
    id: 'balance-fraction',
    title: 'Fraction of nodes out of balance by request rate (paper: Fig. 6)',
    description: 'One line per kind of load; the paper’s 20 % at low and 10 % at high load are dashed.',
    x: { label: 'requests/s', scale: 'log' },
    y: { label: 'nodes out of balance', scale: 'linear', unit: 'percent', from: 0, to: 1 },
    series: linesBy(
      steps,
      (row) => String(row['variant']),
      (row) => Number(row['ratePerSecond']),
      outOfBalance,
    ),
    references: [
      { axis: 'y', value: 0.2, label: 'paper, low load: 20 %' },
      { axis: 'y', value: 0.1, label: 'paper, high load: 10 %' },
    ],
    table: tableOf(steps, {
      load: (row) => String(row['variant']),
      'requests/s': (row) => Number(row['ratePerSecond']),
      'out of balance': (row) => percent(outOfBalance(row)),
      'worst node off by': (row) => percent(Number(row['worstDeviation'] ?? 0)),
    }),
  };
}

interface NodeLoad {
  readonly id: string;
  readonly capacity: number;
  readonly load: number;
  readonly relativeLoad: number;
}

function nodesFigure(rows: readonly Row[]): Figure {
  const peaks = variantsOf(rows).flatMap(({ name, points }) => {
    const nodes = points.at(-1)?.['nodes'] as readonly NodeLoad[] | undefined;
    return nodes === undefined ? [] : [{ name, nodes }];
  });
  return {
    id: 'balance-nodes',
    title: 'Each node’s load over its fair share, at the highest rate',
    description: 'Bars per node; 1 is the fair share by capacity, the dashed lines are 15 % more and less.',
    x: { label: 'node', scale: 'category' },
    y: { label: 'load / fair share', scale: 'linear', from: 0, to: 1.6 },
    series: peaks.map(({ name, nodes }) => ({
      name,
      kind: 'bars',
      points: nodes.map(({ id, relativeLoad }) => ({ x: id, y: relativeLoad })),
    })),
    references: [
      { axis: 'y', value: 1 + IMBALANCE_THRESHOLD, label: '+15 %' },
      { axis: 'y', value: 1 - IMBALANCE_THRESHOLD, label: '-15 %' },
    ],
    table: {
      columns: ['load', 'node', 'capacity', 'requests', 'load / fair share'],
      rows: peaks.flatMap(({ name, nodes }) =>
        nodes.map(({ id, capacity, load, relativeLoad }) => [name, id, capacity, load, relativeLoad]),
      ),
    },
  };
}

/** Loads count reads, direct reads, coordinated and replicated writes of a node's virtual nodes; the bins of all rounds. */
function loadFields(
  rounds: readonly NodeLoads[],
  threshold: number,
): Record<string, unknown> & { remark: string } {
  const nodes = rounds[0]!.nodes;
  const bins = rounds.flatMap((round) => round.bins);
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

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
