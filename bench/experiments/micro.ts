import { tableOf, type Figure } from '../figures/figure.js';
import { shortNumber } from '../figures/ticks.js';
import type { MicroInput, MicroReport } from '../micro/micro-case.js';
import { EMPTY_ROW } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { defineExperiment } from '../suite/experiment.js';

const TASKS = 9;
const PARTS = ['ring', 'versions', 'codec', 'buffer'] as const;

export default defineExperiment({
  name: 'micro',
  title: 'Micro-benchmarks: what a request is made of',
  question:
    'How long do the pure pieces take: placing a key, merging clocks, encoding a record, finding it in memory?',
  explanation: {
    shows:
      'The nanoseconds of each piece of code that every request runs through, without threads, messages or disk. Their sum is the floor under a request; what a request takes beyond it is waiting and waking.',
    measured:
      'tinybench in a process of its own, 1,000 operations per sample so that reading the clock does not count. The bars are means; the table has the margin of error at 95 % confidence.',
    paper: null,
    follows:
      'If a change makes a request slower, look here first whether it is code. Comparing two runs (`npm run ringlet -- compare`) shows it piece by piece.',
  },
  parameters: {
    quick: { seconds: 0.05 },
    default: { seconds: 0.4 },
    full: { seconds: 5 },
  },
  seconds: ({ seconds }) => 0.7 + TASKS * seconds * 1.4,
  async run({ seconds }, context) {
    const input: MicroInput = { seconds };
    const report = await context.runCase('pieces', {
      kind: 'module',
      url: new URL('../micro/micro-case.js', import.meta.url).href,
      input,
      seconds: 0.7 + TASKS * seconds * 1.4,
    });
    return { rows: ((report?.output ?? []) as readonly MicroReport[]).map(rowOf) };
  },
  findings(rows) {
    return rows.map(
      (row, index) => `${index + 1}: ${row.setting}, ${shortNumber((row.meanUs ?? 0) * 1_000)} ns.`,
    );
  },
  figures: (rows) => (rows.length === 0 ? [] : [piecesFigure(rows)]),
});

function rowOf({ name, part, perSecond, meanNs, p50Ns, p99Ns, samples, marginPercent }: MicroReport): Row {
  return {
    ...EMPTY_ROW,
    system: 'ringlet',
    setting: name,
    part,
    callers: 1,
    opsPerSecond: perSecond,
    meanUs: meanNs / 1_000,
    p50Us: p50Ns / 1_000,
    p99Us: p99Ns / 1_000,
    samples,
    marginPercent,
    remark: `±${marginPercent.toFixed(1)} %`,
  };
}

function piecesFigure(rows: readonly Row[]): Figure {
  const label = (row: Row): string => String(rows.indexOf(row) + 1);
  return {
    id: 'micro-pieces',
    title: 'Nanoseconds per operation, numbered as above',
    description: rows
      .map((row) => `${label(row)}: ${row.setting}, ${Math.round((row.meanUs ?? 0) * 1_000)} ns`)
      .join('; '),
    x: { label: 'piece', scale: 'category' },
    y: { label: 'ns', scale: 'linear' },
    series: PARTS.map((part) => ({
      name: part,
      kind: 'bars',
      points: rows
        .filter((row) => row['part'] === part)
        .map((row) => ({ x: label(row), y: (row.meanUs ?? 0) * 1_000 })),
    })),
    table: tableOf(rows, {
      '': label,
      piece: (row) => row.setting,
      part: (row) => String(row['part']),
      'mean ns': (row) => (row.meanUs ?? 0) * 1_000,
      'p50 ns': (row) => (row.p50Us ?? 0) * 1_000,
      'p99 ns': (row) => (row.p99Us ?? 0) * 1_000,
      '± %': (row) => Number(row['marginPercent']),
      samples: (row) => row.samples,
    }),
  };
}
