import type { Step, StepReport } from '../cases/case.js';
import { tableOf, type Figure, type Series } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { interleaved } from '../measure/statistics.js';
import type { QuorumInput, QuorumReport } from '../quorum/quorum-case.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { FEWER_KEYS, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';
import { caseSeconds, openStep } from '../suite/load-steps.js';

interface Quorum {
  readonly n: number;
  readonly r: number;
  readonly w: number;
}

const QUORUMS: readonly Quorum[] = [
  { n: 1, r: 1, w: 1 },
  { n: 3, r: 1, w: 1 },
  { n: 3, r: 1, w: 2 },
  { n: 3, r: 2, w: 2 },
  { n: 3, r: 1, w: 3 },
  { n: 3, r: 3, w: 1 },
];
const REQUESTS_SECONDS = 1.5;

export default defineExperiment({
  name: 'quorum',
  title: 'Quorums: choosing N, R and W',
  question:
    'What do the usual choices of N, R and W cost, how stale may a get be, and what still works with one node down?',
  explanation: {
    shows:
      'N copies of each key; a get waits for R of them, a put for W. With R + W > N every get meets the last acknowledged put. (Below that too, as a rule: gets ask the first R of a key’s owners, and puts go to the first of them. They are stale when another one took a put in its stead.) The first figure is latency, the second the share of gets that returned something older than what had been acknowledged before they began, the third the share of requests that succeeded with one of four nodes down.',
    measured:
      'Latency: half gets, half puts at a fixed Poisson rate. Staleness is exact, because all nodes share one clock: one writer per key numbers its versions, readers compare what they get with the newest number acknowledged before they asked; messages between nodes are delayed by 1 to 2 ms, as in a network, or copies would arrive within microseconds. Availability: requests with a deadline of 400 ms, strict (only owners count) and sloppy (others may stand in).',
    paper:
      '§6: (3,2,2) is the usual choice; R=1 with W=N makes a high-performance read engine. The paper publishes no figures for others.',
    follows:
      '(3,2,2) if a get must see the last put; (3,1,1) where speed counts more than the last milliseconds; (3,1,3) where nearly everything is reads, if it may refuse strict writes while a node is down; N=1 for what can be made again. Sloppy quorums keep puts going in any case.',
  },
  parameters: {
    quick: {
      rounds: 1,
      quorums: ['3,1,1', '3,2,2'],
      perSecond: 4_000,
      warmupSeconds: 0.1,
      seconds: 0.2,
      keys: FEWER_KEYS,
      staleSeconds: 0.2,
      delayMs: 1,
    },
    default: {
      rounds: 3,
      quorums: QUORUMS.map(nameOf),
      perSecond: 5_000,
      warmupSeconds: 0.2,
      seconds: 0.6,
      keys: FEWER_KEYS,
      staleSeconds: 1.5,
      delayMs: 1,
    },
    full: {
      rounds: 5,
      quorums: QUORUMS.map(nameOf),
      perSecond: 5_000,
      warmupSeconds: 2,
      seconds: 40,
      keys: WORKLOAD.keys,
      staleSeconds: 30,
      delayMs: 1,
    },
  },
  seconds: ({ rounds, quorums, keys, staleSeconds, ...window }, processes) =>
    quorums.length * (caseSeconds(processes, keys, 1, window, rounds) + staleSeconds + REQUESTS_SECONDS),
  async run({ rounds, quorums, perSecond, keys, staleSeconds, delayMs, ...window }, context) {
    const { engine, seed } = context.options;
    const chosen = QUORUMS.filter((quorum) => quorums.includes(nameOf(quorum)));
    const step: Extract<Step, { kind: 'open' }> = openStep(perSecond, window);
    const results = chosen.map((quorum) => ({ quorum, reports: [] as StepReport[] }));
    const system = (quorum: Quorum, directory: string) =>
      ({ system: 'ringlet', ...quorum, durability: 'buffered', engine, directory }) as const;
    const consistency: Row[] = [];
    for (const quorum of chosen) {
      const input: QuorumInput = { ...quorum, seconds: staleSeconds, delayMs, seed };
      const report = await context.runCase(`${nameOf(quorum)}: staleness and availability`, {
        kind: 'module',
        url: new URL('../quorum/quorum-case.js', import.meta.url).href,
        input,
        seconds: staleSeconds + REQUESTS_SECONDS,
      });
      const output = (report?.output ?? null) as QuorumReport | null;
      if (output !== null) consistency.push(consistencyRow(quorum, output));
    }
    for (const round of context.rounds(rounds)) {
      for (const { quorum, reports } of interleaved(results, round)) {
        const report = await context.runRound(nameOf(quorum), round, (directory) => ({
          kind: 'steps',
          system: system(quorum, directory),
          workload: { ...WORKLOAD, keys, seed: seed + round },
          steps: [step],
        }));
        reports.push(...(report?.steps ?? []));
      }
    }
    const rows = results.flatMap(({ quorum, reports }) =>
      rowsOf(subjectOf(system(quorum, ''), 'lww bucket'), step, reports).map((row) => ({
        ...row,
        quorum: nameOf(quorum),
      })),
    );
    return { rows: [...rows, ...consistency] };
  },
  findings(rows) {
    return rows.filter(isConsistency).map((row) => {
      const { available } = reportOf(row);
      const put = find(rows, String(row['quorum']), 'put');
      const get = find(rows, String(row['quorum']), 'get');
      return `(${String(row['quorum'])}): get ${timeText(get?.p50Us ?? null)} and put ${timeText(put?.p50Us ?? null)} at the median; ${percent(staleShare(row))} of the gets stale, at most ${Number(row['mostVersionsBehind'])} versions and ${shortNumber(Number(row['oldestMs']))} ms behind; with a node down ${percent(available.strictGet)} of strict gets and ${percent(available.strictPut)} of strict puts succeed, ${percent(available.put)} of sloppy puts.`;
    });
  },
  figures(rows) {
    const [latency, consistency] = [rows.filter((row) => !isConsistency(row)), rows.filter(isConsistency)];
    return [
      ...(latency.length > 0 ? [latencyFigure(latency)] : []),
      ...(consistency.length > 0 ? [stalenessFigure(consistency), availabilityFigure(consistency)] : []),
    ];
  },
});

function nameOf({ n, r, w }: Quorum): string {
  return `${n},${r},${w}`;
}

function consistencyRow(quorum: Quorum, report: QuorumReport): Row {
  return {
    ...EMPTY_ROW,
    system: 'ringlet',
    setting: 'staleness, and one node down',
    ...quorum,
    durability: 'buffered',
    engine: 'memory',
    part: 'consistency',
    quorum: nameOf(quorum),
    ...report,
    samples: report.gets,
    remark: `${report.stale} of ${report.gets} gets stale`,
  };
}

function isConsistency(row: Row): boolean {
  return row['part'] === 'consistency';
}

function reportOf(row: Row): QuorumReport {
  return row as unknown as QuorumReport;
}

function staleShare(row: Row): number {
  const { stale, gets } = reportOf(row);
  return gets === 0 ? 0 : stale / gets;
}

function find(rows: readonly Row[], quorum: string, op: 'get' | 'put'): Row | undefined {
  return rows.find((row) => row['quorum'] === quorum && row.op === op);
}

function quorumOf(row: Row): string {
  return `(${String(row['quorum'])})`;
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}

function latencyFigure(rows: readonly Row[]): Figure {
  const bars = (op: 'get' | 'put', field: 'p50Us' | 'p999Us'): Series => ({
    name: `${op}, ${field === 'p50Us' ? 'median' : 'p99.9'}`,
    kind: 'bars',
    points: rows.filter((row) => row.op === op).map((row) => ({ x: quorumOf(row), y: row[field] ?? 0 })),
  });
  return {
    id: 'quorum-latency',
    title: 'Latency by (N, R, W), the same rate for all',
    description:
      'Bars of median and p99.9 for gets and puts. Gets need no message whatever R is, puts wait for the slowest of W.',
    x: { label: '(N, R, W)', scale: 'category' },
    y: { label: 'latency, µs', scale: 'log', from: 1, to: 1_000_000 },
    series: [bars('get', 'p50Us'), bars('get', 'p999Us'), bars('put', 'p50Us'), bars('put', 'p999Us')],
    table: tableOf(rows, {
      '(N, R, W)': quorumOf,
      op: (row) => row.op,
      'answered/s': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      samples: (row) => row.samples,
    }),
  };
}

function stalenessFigure(rows: readonly Row[]): Figure {
  return {
    id: 'quorum-staleness',
    title: 'Share of gets that returned an older version than the newest acknowledged one',
    description: 'Bars by (N, R, W). Where R + W is greater than N it must be nothing.',
    x: { label: '(N, R, W)', scale: 'category' },
    y: { label: 'stale gets', scale: 'linear', unit: 'percent' },
    series: [
      { name: 'stale', kind: 'bars', points: rows.map((row) => ({ x: quorumOf(row), y: staleShare(row) })) },
    ],
    table: tableOf(rows, {
      '(N, R, W)': quorumOf,
      gets: (row) => reportOf(row).gets,
      stale: (row) => reportOf(row).stale,
      share: (row) => percent(staleShare(row)),
      'most versions behind': (row) => reportOf(row).mostVersionsBehind,
      'oldest, ms': (row) => reportOf(row).oldestMs,
    }),
  };
}

function availabilityFigure(rows: readonly Row[]): Figure {
  const bars = (name: string, field: keyof QuorumReport['available']): Series => ({
    name,
    kind: 'bars',
    points: rows.map((row) => ({ x: quorumOf(row), y: reportOf(row).available[field] })),
  });
  return {
    id: 'quorum-availability',
    title: 'Share of requests that succeeded with one of four nodes down',
    description: 'Bars by (N, R, W) for strict and sloppy gets and puts.',
    x: { label: '(N, R, W)', scale: 'category' },
    y: { label: 'succeeded', scale: 'linear', unit: 'percent', from: 0, to: 1 },
    series: [
      bars('strict get', 'strictGet'),
      bars('strict put', 'strictPut'),
      bars('sloppy get', 'get'),
      bars('sloppy put', 'put'),
    ],
    table: tableOf(rows, {
      '(N, R, W)': quorumOf,
      'strict get': (row) => percent(reportOf(row).available.strictGet),
      'strict put': (row) => percent(reportOf(row).available.strictPut),
      'sloppy get': (row) => percent(reportOf(row).available.get),
      'sloppy put': (row) => percent(reportOf(row).available.put),
    }),
  };
}
