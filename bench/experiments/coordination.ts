import type { OpenStep, StepReport } from '../cases/case.js';
import { percentileFigure } from '../figures/curves.js';
import { tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { interleaved } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atMost, ratio } from '../report/summary.js';
import { DEFAULT_QUORUM, FEWER_KEYS, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment } from '../suite/experiment.js';
import { caseSeconds, openStep } from '../suite/load-steps.js';

const WAYS = [
  { name: 'server-driven', options: { coordination: 'server' } },
  { name: 'client-driven, by messages', options: { directReads: false } },
  { name: 'client-driven, direct reads', options: {} },
] as const;

/** Table 2, milliseconds. */
const PAPER = {
  'server-driven': { get: { mean: 3.9, p999: 68.9 }, put: { mean: 4.02, p999: 68.5 } },
  'client-driven': { get: { mean: 1.55, p999: 30.4 }, put: { mean: 1.9, p999: 30.4 } },
} as const;

export default defineExperiment({
  name: 'coordination',
  title: 'Coordination: who asks the replicas',
  question:
    'What does it save that the calling thread knows the ring and coordinates, instead of any node behind a load balancer?',
  order: 7,
  explanation: {
    shows:
      'Server-driven: a request goes to any virtual node; one that owns the key coordinates it, another one passes a put on to an owner, or asks the owners for their copies itself. Client-driven: the calling thread knows which virtual nodes own a key, asks them, and sends a put straight to one of them. This store has a third way that a network lacks: reading the owners’ copies in shared memory without asking.',
    measured:
      'The same load (Poisson, half gets, half puts, N=3, R=2, W=2, buffered, four nodes) under each way in turns, each in a fresh process. In the server-driven way virtual nodes take requests in turns, the answer to a put that was passed on goes straight back to the caller, and no reads are direct.',
    paper:
      'Table 2: p99.9 of reads and writes 68.9 and 68.5 ms server-driven, 30.4 and 30.4 ms client-driven; averages 3.9 and 4.02 ms against 1.55 and 1.9 ms. Less than half, because a hop and the load balancer fall away.',
    follows:
      "Use the library, or a handle in each worker thread, rather than a door that forwards: HTTP adds a hop on top of its own cost. Server-driven coordination is a switch for this measurement (`open({ coordination: 'server' })`), not a way to run the store.",
  },
  parameters: {
    quick: { rounds: 1, perSecond: 4_000, warmupSeconds: 0.1, seconds: 0.2, keys: FEWER_KEYS },
    default: { rounds: 3, perSecond: 6_000, warmupSeconds: 0.3, seconds: 1.2, keys: FEWER_KEYS },
    full: { rounds: 5, perSecond: 6_000, warmupSeconds: 2, seconds: 70, keys: WORKLOAD.keys },
  },
  seconds: ({ rounds, keys, ...window }, processes) =>
    WAYS.length * caseSeconds(processes, keys, 1, window, rounds),
  async run({ rounds, perSecond, keys, ...window }, context) {
    const { engine, seed } = context.options;
    const step: OpenStep = openStep(perSecond, window);
    const results = WAYS.map((way) => ({ way, reports: [] as StepReport[] }));
    const base = { ...DEFAULT_QUORUM, durability: 'buffered', engine } as const;
    for (const round of context.rounds(rounds)) {
      for (const { way, reports } of interleaved(results, round)) {
        const report = await context.runRound(way.name, round, (directory) => ({
          kind: 'steps',
          system: { ...base, ...way.options, directory },
          workload: { ...WORKLOAD, keys, seed: seed + round },
          steps: [step],
        }));
        reports.push(...(report?.steps ?? []));
      }
    }
    const rows = results.flatMap(({ way, reports }) =>
      rowsOf(subjectOf({ ...base, directory: '' }, `${way.name}, lww bucket`), step, reports).map((row) => ({
        ...row,
        way: way.name,
      })),
    );
    return { rows, summary: goals(rows) };
  },
  findings: (rows) =>
    (['get', 'put'] as const).flatMap((op) => {
      const [server, client] = [find(rows, WAYS[0].name, op), find(rows, WAYS[1].name, op)];
      const direct = find(rows, WAYS[2].name, op);
      if (server === undefined || client === undefined || direct === undefined) return [];
      const paper = PAPER['server-driven'][op].mean / PAPER['client-driven'][op].mean;
      return [
        `${op === 'get' ? 'Gets' : 'Puts'}: ${timeText(server.meanUs)} on average server-driven, ${timeText(client.meanUs)} client-driven (a factor of ${shortNumber((server.meanUs ?? 0) / (client.meanUs || 1))}; paper ${shortNumber(paper)}), ${timeText(direct.meanUs)} with direct reads. At p99.9 ${timeText(server.p999Us)}, ${timeText(client.p999Us)}, ${timeText(direct.p999Us)}.`,
      ];
    }),
  figures: (rows) =>
    rows.length === 0
      ? []
      : [
          barsFigure(rows, 'meanUs', 'mean', 'Mean latency by who coordinates (paper: Table 2)'),
          barsFigure(rows, 'p999Us', 'p999', 'p99.9 by who coordinates (paper: Table 2)'),
          percentileFigure(
            'coordination-percentiles',
            'The whole distribution of gets',
            rows.filter((row) => row.op === 'get'),
            wayOf,
          ),
        ],
});

function wayOf(row: Row): string {
  return String(row['way']);
}

function find(rows: readonly Row[], way: string, op: 'get' | 'put'): Row | undefined {
  return rows.find((row) => row['way'] === way && row.op === op);
}

function goals(rows: readonly Row[]): readonly SummaryLine[] {
  const [server, ...clients] = WAYS;
  return clients.flatMap(({ name }) =>
    (['get', 'put'] as const).flatMap((op) =>
      (['meanUs', 'p999Us'] as const).map((field) =>
        atMost(
          `${name}: ${op}s, ${field === 'meanUs' ? 'mean' : 'p99.9'}`,
          1,
          ratio(find(rows, name, op)?.[field] ?? null, find(rows, server.name, op)?.[field] ?? null),
          '× server-driven',
        ),
      ),
    ),
  );
}

/** The paper's milliseconds beside ours: another scale, the same ratios. */
function barsFigure(
  rows: readonly Row[],
  field: 'meanUs' | 'p999Us',
  paper: 'mean' | 'p999',
  title: string,
): Figure {
  const ops = ['get', 'put'] as const;
  return {
    id: `coordination-${paper}`,
    title,
    description: `${title}, for gets and puts. The paper’s milliseconds stand beside.`,
    x: { label: 'operation', scale: 'category' },
    y: { label: 'latency, µs', scale: 'log', from: 1, to: 1_000_000 },
    series: [
      ...WAYS.map(({ name }) => ({
        name,
        kind: 'bars' as const,
        points: ops.map((op) => ({ x: op, y: find(rows, name, op)?.[field] ?? 0 })),
      })),
      ...(['server-driven', 'client-driven'] as const).map((way) => ({
        name: `paper, ${way}`,
        kind: 'bars' as const,
        reference: true,
        points: ops.map((op) => ({ x: op, y: PAPER[way][op][paper] * 1_000 })),
      })),
    ],
    table: tableOf(rows, {
      way: wayOf,
      op: (row) => row.op,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      samples: (row) => row.samples,
      rounds: (row) => row.rounds,
    }),
  };
}
