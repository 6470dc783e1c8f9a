import type { Mix, MixedStep, StepReport } from '../cases/case.js';
import { linesBy, spreadText, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { interleaved, sum } from '../measure/statistics.js';
import type { Distribution } from '../measure/workload.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { DEFAULT_QUORUM } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';
import { caseSeconds } from '../suite/load-steps.js';

interface YcsbWorkload {
  readonly name: string;
  readonly what: string;
  readonly mix: Mix;
  readonly distribution: Distribution;
}

const NOTHING: Mix = { get: 0, put: 0, insert: 0, rmw: 0 };
const WORKLOADS: readonly YcsbWorkload[] = [
  { name: 'A', what: 'half updates', mix: { ...NOTHING, get: 0.5, put: 0.5 }, distribution: 'zipfian' },
  { name: 'B', what: '5 % updates', mix: { ...NOTHING, get: 0.95, put: 0.05 }, distribution: 'zipfian' },
  { name: 'C', what: 'reads only', mix: { ...NOTHING, get: 1 }, distribution: 'zipfian' },
  {
    name: 'D',
    what: '5 % inserts, the latest read most',
    mix: { ...NOTHING, get: 0.95, insert: 0.05 },
    distribution: 'latest',
  },
  {
    name: 'F',
    what: 'half read-modify-write',
    mix: { ...NOTHING, get: 0.5, rmw: 0.5 },
    distribution: 'zipfian',
  },
];
const QUORUMS = [
  { n: 1, r: 1, w: 1 },
  { n: 3, r: 2, w: 2 },
] as const;
/** YCSB's default: ten fields of 100 bytes. */
const RECORD_BYTES = 1_000;

export default defineExperiment({
  name: 'ycsb',
  title: 'YCSB: the usual mixes of reads and writes',
  question: 'How many operations per second does the store do under the workloads that other stores publish?',
  explanation: {
    shows:
      'YCSB is the benchmark that most key-value stores quote: A is half reads and half updates, B 95 % reads, C reads only, D 95 % reads of what was inserted last, F half reads and half read-modify-write (a get and then a put). E scans ranges in key order, which a hash ring has not.',
    measured:
      'A closed loop of one calling thread with 32 operations in flight, records of 1,000 bytes, keys by YCSB’s scrambled zipfian distribution with the constant 0.99 (D: the latest), buffered writes; with one copy and with three, in turns. A, B, C and F follow each other on one store, D has one of its own.',
    paper: null,
    follows:
      'Compare with published figures only by shape: they come from clusters, over networks. Within this store: the share of writes decides, and three copies cost what a write costs three times.',
  },
  parameters: {
    quick: {
      rounds: 1,
      workloads: ['A', 'C'],
      replicas: [3],
      inFlight: 32,
      keys: 5_000,
      warmupSeconds: 0.1,
      seconds: 0.25,
    },
    default: {
      rounds: 3,
      workloads: ['A', 'B', 'C', 'D', 'F'],
      replicas: [1, 3],
      inFlight: 32,
      keys: 20_000,
      warmupSeconds: 0.2,
      seconds: 0.3,
    },
    full: {
      rounds: 5,
      workloads: ['A', 'B', 'C', 'D', 'F'],
      replicas: [1, 3],
      inFlight: 32,
      keys: 100_000,
      warmupSeconds: 2,
      seconds: 20,
    },
  },
  seconds: ({ rounds, replicas, workloads, keys, ...window }, processes) =>
    replicas.length *
    sum(
      groupsOf(workloads).map(({ members }) => caseSeconds(processes, keys, members.length, window, rounds)),
    ),
  async run({ rounds, workloads, replicas, inFlight, keys, ...window }, context) {
    const { engine, seed } = context.options;
    const quorums = QUORUMS.filter(({ n }) => replicas.includes(n));
    const cases = quorums.flatMap((quorum) =>
      groupsOf(workloads).map(({ distribution, members }) => ({
        quorum,
        distribution,
        results: members.map((workload) => ({ quorum, workload, reports: [] as StepReport[] })),
      })),
    );
    const stepOf = ({ mix }: YcsbWorkload): MixedStep => ({
      kind: 'mixed',
      mix,
      inFlight,
      callers: 1,
      ...window,
    });
    for (const round of context.rounds(rounds)) {
      for (const { quorum, distribution, results } of interleaved(cases, round)) {
        const names = results.map(({ workload }) => workload.name).join(', ');
        const report = await context.runRound(`${names} with N=${quorum.n}`, round, (directory) => ({
          kind: 'steps',
          system: {
            ...DEFAULT_QUORUM,
            ...quorum,
            durability: 'buffered',
            engine,
            directory,
          },
          workload: { keys, valueBytes: RECORD_BYTES, seed: seed + round, distribution },
          steps: results.map(({ workload }) => stepOf(workload)),
        }));
        report?.steps.forEach((step, index) => results[index]?.reports.push(step));
      }
    }
    return {
      rows: cases
        .flatMap(({ results }) => results)
        .flatMap(({ quorum, workload, reports }) => {
          const system = {
            ...DEFAULT_QUORUM,
            ...quorum,
            durability: 'buffered',
            engine,
            directory: '',
          } as const;
          const { name, what } = workload;
          return rowsOf(subjectOf(system, `YCSB ${name}: ${what}`), stepOf(workload), reports).map((row) => ({
            ...row,
            workload: name,
          }));
        }),
    };
  },
  findings: (rows) =>
    QUORUMS.flatMap(({ n }) => {
      const totals = totalsOf(rows, n);
      if (totals.length === 0) return [];
      return [
        `With N=${n}: ${totals.map(({ name, perSecond }) => `${name} ${shortNumber(perSecond)}/s`).join(', ')}.`,
      ];
    }),
  figures: (rows) => (rows.length === 0 ? [] : [rateFigure(rows), tailFigure(rows)]),
});

/** Workloads with the same distribution of keys run in one process, one after the other, as YCSB itself does it. */
function groupsOf(names: readonly string[]): {
  readonly distribution: Distribution;
  readonly members: readonly YcsbWorkload[];
}[] {
  const chosen = WORKLOADS.filter(({ name }) => names.includes(name));
  return [...new Set(chosen.map(({ distribution }) => distribution))].map((distribution) => ({
    distribution,
    members: chosen.filter((workload) => workload.distribution === distribution),
  }));
}

function totalsOf(
  rows: readonly Row[],
  n: number,
): readonly { readonly name: string; readonly perSecond: number }[] {
  return WORKLOADS.flatMap(({ name }) => {
    const own = rows.filter((row) => row['workload'] === name && row.n === n);
    const perSecond = own.reduce((sum, row) => sum + (row.opsPerSecond ?? 0), 0);
    return own.length === 0 ? [] : [{ name, perSecond }];
  });
}

function tableOfYcsb(rows: readonly Row[]): Figure['table'] {
  return tableOf(rows, {
    workload: (row) => String(row['workload']),
    N: (row) => row.n,
    op: (row) => row.op,
    'per second': (row) => row.opsPerSecond,
    'mean µs': (row) => row.meanUs,
    'p50 µs': (row) => row.p50Us,
    'p99 µs': (row) => row.p99Us,
    'p99.9 µs': (row) => row.p999Us,
    samples: (row) => row.samples,
    spread: spreadText,
  });
}

function rateFigure(rows: readonly Row[]): Figure {
  return {
    id: 'ycsb-rate',
    title: 'Operations per second by workload, one copy and three',
    description: 'Bars for N=1 and N=3 per YCSB workload.',
    x: { label: 'workload', scale: 'category' },
    y: { label: 'operations/s', scale: 'linear' },
    series: QUORUMS.filter(({ n }) => rows.some((row) => row.n === n)).map(({ n }) => ({
      name: n === 1 ? 'N=1' : 'N=3, R=2, W=2',
      kind: 'bars',
      points: totalsOf(rows, n).map(({ name, perSecond }) => ({ x: name, y: perSecond })),
    })),
    table: tableOfYcsb(rows),
  };
}

function tailFigure(rows: readonly Row[]): Figure {
  const three = rows
    .filter((row) => row.n === 3)
    .toSorted((a, b) => String(a['workload']).localeCompare(String(b['workload'])));
  const points = linesBy(
    three,
    (row) => String(row.op),
    () => 1,
    (row) => row.p999Us,
  ).map(({ name }) => ({
    name,
    kind: 'bars' as const,
    points: three
      .filter((row) => row.op === name)
      .map((row) => ({ x: String(row['workload']), y: row.p999Us ?? 0 })),
  }));
  return {
    id: 'ycsb-p999',
    title: 'p99.9 by workload and operation, three copies',
    description: `Bars per operation: ${three.map((row) => `${String(row['workload'])} ${row.op} ${timeText(row.p999Us)}`).join(', ')}.`,
    x: { label: 'workload', scale: 'category' },
    y: { label: 'p99.9, µs', scale: 'log', from: 1, to: 1_000_000 },
    series: points,
    table: tableOfYcsb(three),
  };
}
