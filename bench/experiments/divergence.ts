import type { LiveInput, LiveReport } from '../divergence/live.js';
import { concurrentWriters } from '../divergence/writers.js';
import { tableOf, type Figure } from '../figures/figure.js';
import { sum } from '../measure/statistics.js';
import { EMPTY_ROW } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { atMost } from '../report/summary.js';
import { defineExperiment } from '../suite/experiment.js';

/** §6.3: share of requests that saw so many versions, over 24 hours. They do not sum to 1 in the paper either. */
const PAPER_SHARES = [0.9994, 0.0000057, 0.0000047, 0.0000009] as const;
const SHOWN_PUTS = 400;
const MOST_VERSIONS = 8;

export default defineExperiment({
  name: 'divergence',
  title: 'Divergence: how many versions a get returns',
  question: 'How many concurrent versions do gets return, and do they stay few when many write the same key?',
  order: 8,
  explanation: {
    shows:
      'Two writers that have not seen each other’s write leave two versions (siblings), which a later reader resolves. The first figure is the number of siblings of one key that seven writers overwrite, under dotted version vectors, which this store has, and under plain version vectors per coordinator, which Dynamo had. The second is how many versions gets of the running store returned.',
    measured:
      'The first by running both kinds of clocks through the same drawn sequence of reads and writes, without any failure. The second on a memory store of three nodes (N=3, R=2, W=1 so that both sides of a partition go on): writers get a key, then put it with the context they got; with one writer, with seven, and with seven while one node hears nothing of the others.',
    paper:
      '§6.3: over 24 hours 99.94 % of the requests saw one version, 0.00057 % two, 0.00047 % three, 0.00009 % four. (They sum to 99.9411 %: the paper is inconsistent there.) More versions came from concurrent writers, not from failures.',
    follows:
      'Pass the context of what you read back to every put; then siblings are at most as many as writers that overlap. Where the newest value is all you want, use the conflict rule `lww` and never see one.',
  },
  parameters: {
    quick: { writers: 7, puts: 5_000, keys: 20, seconds: 0.2 },
    default: { writers: 7, puts: 100_000, keys: 20, seconds: 2 },
    full: { writers: 7, puts: 1_000_000, keys: 20, seconds: 60 },
  },
  seconds: ({ puts, seconds }) => 1 + puts / 50_000 + 1 + 3 * seconds,
  async run({ writers, puts, keys, seconds }, context) {
    const { seed } = context.options;
    const model = await context.runHere('clocks', 1 + puts / 50_000, () =>
      Promise.resolve(concurrentWriters(writers, puts, seed)),
    );
    const rows: Row[] = [];
    for (const clock of ['dotted', 'plain'] as const) {
      if (model === null) break;
      const { most, counts } = model[clock];
      rows.push({
        ...EMPTY_ROW,
        system: 'ringlet',
        setting: `${clock} version vectors, ${writers} writers, ${puts} puts`,
        part: 'clocks',
        clock,
        writers,
        most,
        mean: sum(counts) / counts.length,
        counts: counts.slice(0, SHOWN_PUTS),
        remark: `at most ${most} siblings`,
      });
    }
    const input: LiveInput = { writers, keys, seconds, seed };
    const report = await context.runCase('live', {
      kind: 'module',
      url: new URL('../divergence/live.js', import.meta.url).href,
      input,
      seconds: 1 + 3 * seconds,
    });
    rows.push(...((report?.output ?? []) as readonly LiveReport[]).map(liveRow));
    return {
      rows,
      summary: [
        atMost(
          `siblings with ${writers} writers, dotted version vectors`,
          writers,
          model?.dotted.most ?? null,
          'siblings',
        ),
      ],
    };
  },
  findings(rows) {
    const texts: string[] = [];
    const most = (clock: string): number => Number(rows.find((row) => row['clock'] === clock)?.['most'] ?? 0);
    if (most('dotted') > 0) {
      texts.push(
        `Seven writers of one key leave at most ${most('dotted')} siblings with dotted version vectors, and ${most('plain')} with plain ones.`,
      );
    }
    for (const row of rows.filter(isLive)) {
      texts.push(
        `${String(row['situation'])}: ${percent(shares(row)[0] ?? 0)} of the gets returned one version, at most ${Number(row['most'])}.`,
      );
    }
    return texts;
  },
  figures(rows) {
    const clocks = rows.filter((row) => row['part'] === 'clocks');
    const lives = rows.filter(isLive);
    return [
      ...(clocks.length > 0 ? [clockFigure(clocks)] : []),
      ...(lives.length > 0 ? [liveFigure(lives)] : []),
    ];
  },
});

function liveRow({ name, writers, returned }: LiveReport): Row {
  const most = returned.length - 1;
  return {
    ...EMPTY_ROW,
    system: 'ringlet',
    setting: `live, ${name}`,
    n: 3,
    r: 2,
    w: 1,
    durability: 'buffered',
    engine: 'memory',
    part: 'live',
    situation: name,
    writers,
    returned,
    most,
    samples: sum(returned),
    remark: `at most ${most} versions`,
  };
}

function isLive(row: Row): boolean {
  return row['part'] === 'live';
}

/** Of gets that found something: the share with one version, with two, … */
function shares(row: Row): readonly number[] {
  const returned = row['returned'] as readonly number[];
  const all = sum(returned);
  return returned.slice(1).map((count) => (all === 0 ? 0 : count / all));
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(4))} %`;
}

function clockFigure(rows: readonly Row[]): Figure {
  const counts = (row: Row): readonly number[] => row['counts'] as readonly number[];
  return {
    id: 'divergence-clocks',
    title: `Siblings of one key that seven writers overwrite, its first ${SHOWN_PUTS} puts`,
    description:
      'Two lines: the number of siblings after each put, with dotted version vectors and with plain ones; as many as there are writers is dashed.',
    x: { label: 'puts', scale: 'linear', from: 0, to: SHOWN_PUTS },
    y: { label: 'siblings', scale: 'linear' },
    series: rows.map((row) => ({
      name: `${String(row['clock'])} version vectors`,
      kind: 'line',
      points: counts(row).map((count, put) => ({ x: put + 1, y: count })),
    })),
    references: [{ axis: 'y', value: Number(rows[0]!['writers']), label: 'as many as writers' }],
    table: tableOf(rows, {
      clocks: (row) => String(row['clock']),
      writers: (row) => Number(row['writers']),
      'most siblings': (row) => Number(row['most']),
      mean: (row) => Number(row['mean']),
    }),
  };
}

function liveFigure(rows: readonly Row[]): Figure {
  const versions = Array.from({ length: MOST_VERSIONS }, (_, index) => index);
  return {
    id: 'divergence-live',
    title: 'Share of gets that returned so many versions (paper: §6.3)',
    description:
      'Dots by number of versions, on a logarithmic axis, for each situation and for the paper, whose writers seldom met.',
    x: { label: 'versions returned', scale: 'category' },
    y: { label: 'share of gets', scale: 'log', from: 1e-7, to: 1 },
    series: [
      ...rows.map((row) => ({
        name: String(row['situation']),
        kind: 'dots' as const,
        points: versions.flatMap((index) => {
          const share = shares(row)[index] ?? 0;
          return share === 0 ? [] : [{ x: String(index + 1), y: share }];
        }),
      })),
      {
        name: 'paper',
        kind: 'dots' as const,
        reference: true,
        points: PAPER_SHARES.map((share, index) => ({ x: String(index + 1), y: share })),
      },
    ],
    table: {
      columns: ['versions', ...rows.map((row) => String(row['situation'])), 'paper'],
      rows: versions.map((index) => [
        index + 1,
        ...rows.map((row) => percent(shares(row)[index] ?? 0)),
        PAPER_SHARES[index] === undefined ? '' : percent(PAPER_SHARES[index]),
      ]),
    },
  };
}
