import { linesBy, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber } from '../figures/ticks.js';
import type { Row } from '../report/schema.js';
import { atLeast, atMost } from '../report/summary.js';
import { defineExperiment } from '../suite/experiment.js';
import { PAPER_EFFICIENCY, STRATEGIES, type Strategy } from '../partitioning/paper.js';
import { efficiencyRows, joinRows, scaleRows } from '../partitioning/calculate.js';

const NAMES: Readonly<Record<Strategy, string>> = {
  1: 'strategy 1: random tokens, ranges between them',
  2: 'strategy 2: random tokens, equal partitions',
  3: 'strategy 3: equal partitions dealt at random',
  4: 'Ringlet: strategy 3, any N in a row apart',
};

/** Fig. 8 of the paper, by calculation; then what it means for larger clusters and for a join. */
export default defineExperiment({
  name: 'partitioning',
  order: 6,
  inQuickRuns: true,
  title: 'Partitioning: how evenly keys are spread, at what cost',
  question:
    'Which way of cutting the key space into ranges loads the nodes most evenly for the metadata it needs?',
  explanation: {
    shows:
      'Load efficiency is the mean load of the nodes over that of the busiest one: 1 is perfect, 0.5 means that half of the hardware waits for one node. Metadata is what every node must know: nodes × tokens. The paper compares random tokens with ranges of different size (1), random tokens that only place equal partitions (2), and equal partitions that are dealt evenly (3).',
    measured:
      'By calculation with uniform keys charged to all three replicas, 30 nodes, the mean of many seeds. The store’s own placement keeps any N consecutive partitions on distinct nodes, so that no node appears twice in a window and random dealing loses nothing. For a join, a ring of equal nodes takes one more; keys moved are those of partitions whose owner changes, over the share that the new node must have.',
    paper:
      'Fig. 8: strategy 3 best, strategy 2 worst, and three orders of magnitude less metadata for strategy 3 at the same efficiency. The small crosses are read off the plot, good to about 5 %.',
    follows:
      'Take the default: equal partitions, placed apart. With Q partitions for S nodes the load is even as far as Q divides by S; 16 or more partitions per node keep the rest small. A join moves little more than the new node’s share.',
  },
  parameters: {
    quick: { nodes: 30, replicas: 3, seeds: 25, mostNodes: 300, joins: [4, 16, 63] },
    default: { nodes: 30, replicas: 3, seeds: 25, mostNodes: 10_000, joins: [4, 8, 16, 32, 63] },
    full: { nodes: 30, replicas: 3, seeds: 100, mostNodes: 10_000, joins: [4, 8, 16, 32, 48, 63] },
  },
  seconds: ({ seeds, mostNodes }) => 0.5 + seeds / 50 + mostNodes / 2_000,
  async run(parameters, context) {
    const { seed } = context.options;
    const rows = await context.runHere('calculation', 1 + parameters.mostNodes / 2_000, () =>
      Promise.resolve([
        ...efficiencyRows(parameters),
        ...scaleRows(parameters, seed),
        ...joinRows(parameters),
      ]),
    );
    if (rows === null) return { rows: [] };
    const own = rows.filter((row) => row['part'] === 'efficiency' && row['strategy'] === 4);
    return {
      rows,
      summary: [
        atLeast(
          'strategy 3 with our placement, S=30, N=3',
          0.99,
          Math.min(...own.map(efficiency)),
          'load efficiency',
        ),
        atMost('strategies 1 to 3 against the computed table of Fig. 8', 0.03, worstOff(rows), 'difference'),
      ],
    };
  },
  findings(rows) {
    const parts = (part: string): readonly Row[] => rows.filter((row) => row['part'] === part);
    const worst = worstOff(rows);
    const joins = parts('join');
    const texts = [
      `The three strategies are within ${worst.toFixed(3)} of the values computed for the paper's figure.`,
    ];
    const own = parts('efficiency').filter((row) => row['strategy'] === 4);
    if (own.length > 0) {
      texts.push(
        `The store's own placement has a load efficiency of ${Math.min(...own.map(efficiency)).toFixed(3)} or more.`,
      );
    }
    const last = joins.at(-1);
    if (last !== undefined) {
      texts.push(
        `When node ${Number(last['nodes']) + 1} joins, ${shortNumber(Number(last['movedOverShare']))} times its fair share of the keys moves; planning that takes ${shortNumber(Number(last['planMs']))} ms.`,
      );
    }
    return texts;
  },
  figures(rows) {
    const parts = (part: string): readonly Row[] => rows.filter((row) => row['part'] === part);
    const [efficiencies, scales] = [parts('efficiency'), parts('scale')];
    return [
      ...(efficiencies.length > 0 ? [efficiencyFigure(efficiencies)] : []),
      ...(scales.length > 0 ? [scaleFigure(scales)] : []),
      ...joinFigures(parts('join')),
    ];
  },
});

function efficiency(row: Row): number {
  return Number(row['efficiency']);
}

function worstOff(rows: readonly Row[]): number {
  return Math.max(...rows.flatMap((row) => (typeof row['off'] === 'number' ? [row['off']] : [])));
}

function efficiencyFigure(rows: readonly Row[]): Figure {
  const name = (row: Row): string => NAMES[row['strategy'] as Strategy];
  return {
    id: 'partitioning-efficiency',
    title: 'Load efficiency against the size of the metadata (paper: Fig. 8)',
    description:
      'Four ways of placing partitions; the store’s stays at 1, the paper’s third way rises to 0.99, random tokens begin at one half.',
    x: { label: 'metadata, nodes × tokens', scale: 'log' },
    y: { label: 'load efficiency', scale: 'linear', from: 0.4, to: 1.05 },
    series: [
      ...linesBy(rows, name, (row) => Number(row['metadata']), efficiency),
      {
        name: 'the paper, read off its plot',
        kind: 'dots',
        reference: true,
        points: PAPER_EFFICIENCY.flatMap(({ metadata, plot }) =>
          STRATEGIES.map((strategy) => ({ x: metadata, y: plot[strategy] })),
        ),
      },
    ],
    table: tableOf(rows, {
      strategy: name,
      metadata: (row) => Number(row['metadata']),
      efficiency,
      'lowest seed': (row) => Number(row['lowest']),
      'highest seed': (row) => Number(row['highest']),
      'computed for the paper': (row) => (row['expected'] as number | undefined) ?? null,
    }),
  };
}

function scaleFigure(rows: readonly Row[]): Figure {
  const name = (row: Row): string => NAMES[row['strategy'] as Strategy];
  return {
    id: 'partitioning-scale',
    title: 'The same for larger clusters, 16 tokens or partitions per node',
    description:
      'Load efficiency by number of nodes from 10 to 10,000. Random tokens get worse with more nodes, placement apart does not.',
    x: { label: 'nodes', scale: 'log' },
    y: { label: 'load efficiency', scale: 'linear', from: 0.4, to: 1.05 },
    series: linesBy(rows, name, (row) => Number(row['nodes']), efficiency),
    table: tableOf(rows, { strategy: name, nodes: (row) => Number(row['nodes']), efficiency }),
  };
}

function joinFigures(rows: readonly Row[]): Figure[] {
  if (rows.length === 0) return [];
  return [
    {
      id: 'partitioning-join',
      title: 'When a node joins: keys that move, over the share it must get',
      description:
        'For rings of 4 to 63 nodes, how much more than the new node’s own share of the keys changes its owner. 1 is the least possible.',
      x: { label: 'nodes before', scale: 'category' },
      y: { label: 'moved / share', scale: 'linear', from: 0, to: 2 },
      series: [
        {
          name: 'moved',
          kind: 'bars',
          points: rows.map((row) => ({ x: String(row['nodes']), y: Number(row['movedOverShare']) })),
        },
      ],
      references: [{ axis: 'y', value: 1, label: 'the least possible' }],
      table: tableOf(rows, {
        'nodes before': (row) => Number(row['nodes']),
        partitions: (row) => Number(row['partitions']),
        moved: (row) => Number(row['moved']),
        'new share': (row) => Number(row['share']),
        'moved / share': (row) => Number(row['movedOverShare']),
        'plan ms': (row) => Number(row['planMs']),
      }),
    },
  ];
}
