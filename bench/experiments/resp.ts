import { RedisServer, redisProblem } from '../cases/redis-server.js';
import { spreadText, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { median, relativeSpread } from '../measure/statistics.js';
import { EMPTY_ROW, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { atLeast } from '../report/summary.js';
import { COMMANDS, redisBenchmarkProblem } from '../resp/redis-benchmark.js';
import { SERVERS, type RespInput, type RespReport, type Server } from '../resp/resp-case.js';
import { WORKLOAD } from '../suite/defaults.js';
import { defineExperiment, type ExperimentContext } from '../suite/experiment.js';

interface Parameters {
  /** Fresh processes of both servers, one after the other, and rounds in each. */
  readonly processes: number;
  readonly rounds: number;
  readonly connections: number;
  readonly valueBytes: number;
  readonly keys: number;
  /** Of one measurement, by the pipeline's depth. */
  readonly requests: Readonly<Record<number, number>>;
  /** Before the first round, as a multiple of them. */
  readonly warmup: number;
  /** Expected length of what one process does. */
  readonly processSeconds: number;
}

/** What is required, as a share of Redis' rate. */
const REQUIRED: Readonly<Record<number, number>> = { 16: 0.6, 1: 0.5 };
const CASES = [16, 1].flatMap((pipeline) => COMMANDS.map((command) => ({ command, pipeline })));
const ONCE = {
  processes: 1,
  rounds: 1,
  connections: 50,
  valueBytes: WORKLOAD.valueBytes,
  keys: WORKLOAD.keys,
};

export default defineExperiment<Parameters>({
  name: 'resp',
  title: 'Redis protocol: what the door costs',
  question: 'How many GETs and SETs of Redis clients does the store answer, beside redis-server itself?',
  explanation: {
    shows:
      'redis-benchmark against the store’s Redis door, and against a redis-server without persistence, in turns: GET and SET, one request at a time per connection and sixteen sent together. A single Redis keeps one copy in memory, so the store has n = r = w = 1; it also writes its journal and LMDB.',
    measured:
      'redis-benchmark with 50 connections, values of 100 bytes and 100,000 keys that are all written before. Both servers are warmed up once and stay for all rounds (fresh ones for each in `--full`), since code that has just been compiled has half of its rate; the ratios are medians over the rounds of what was measured within seconds. redis-benchmark is one thread and Redis another, while the store’s door, its virtual nodes and its files share the cores with the same client: on two cores each takes from the others.',
    paper: null,
    follows:
      'Sent one by one, requests cost mostly the kernel’s sockets, and the two are near each other. Sent together, what counts is the work per request: a SET crosses to the virtual node that owns the key and back. From the same program the library or a handle has no socket at all.',
  },
  parameters: {
    quick: { ...ONCE, requests: { 16: 60_000, 1: 8_000 }, warmup: 0.4, processSeconds: 6 },
    default: { ...ONCE, rounds: 3, requests: { 16: 100_000, 1: 10_000 }, warmup: 1.5, processSeconds: 24 },
    full: { ...ONCE, processes: 7, requests: { 16: 1_000_000, 1: 150_000 }, warmup: 0.4, processSeconds: 60 },
  },
  seconds: ({ processes, processSeconds }) => processes * processSeconds,
  async run(parameters, context) {
    const { engine } = context.options;
    const missing = await redisBenchmarkProblem();
    if (missing !== null) {
      context.skip('GET and SET by the Redis protocol', missing);
      return { rows: [] };
    }
    const noRedis = await redisProblem();
    if (noRedis !== null) context.skip('redis', noRedis);
    const rounds: (readonly RespReport[])[] = [];
    for (const nth of context.rounds(parameters.processes)) {
      await using redis = noRedis === null ? await startRedis(context, nth) : null;
      if (noRedis === null && redis === null) continue;
      const input: RespInput = {
        ...parameters,
        system: { ...systemOf(engine), directory: context.scratch('ringlet') },
        redisPort: redis?.port ?? null,
      };
      const report = await context.runCase(`process ${nth + 1}`, {
        kind: 'module',
        url: new URL('../resp/resp-case.js', import.meta.url).href,
        input,
        seconds: parameters.processSeconds,
      });
      if (report !== null && report.output !== null)
        rounds.push(...(report.output as readonly (readonly RespReport[])[]));
    }
    const all = rounds.flat();
    return {
      rows: SERVERS.flatMap((server) => CASES.flatMap((one) => rowsOf(server, one, all, parameters, engine))),
      summary: CASES.map((one) =>
        atLeast(`${nameOf(one)}, 50 connections`, REQUIRED[one.pipeline]!, ratioOf(one, rounds), '× Redis'),
      ),
    };
  },
  findings: (rows) =>
    CASES.flatMap((one) => {
      const [redis, own] = SERVERS.map((server) => rows.find((row) => isOf(row, server, one)));
      if (own === undefined) return [];
      const beside = redis === undefined ? '' : `, ${shortNumber(redis.opsPerSecond ?? 0)}/s by redis-server`;
      return [
        `${nameOf(one)}: ${shortNumber(own.opsPerSecond ?? 0)}/s by the store (median ${timeText(own.p50Us)})${beside}.`,
      ];
    }),
  figures: (rows) => (rows.length === 0 ? [] : [rateFigure(rows)]),
});

/** Null, with a note, where it did not start, as when Ctrl-C has ended it: the rounds before stay. */
async function startRedis(context: ExperimentContext, nth: number): Promise<RedisServer | null> {
  const directory = context.scratch('redis');
  return await context.runHere(`process ${nth + 1}: start the server`, 0, () =>
    RedisServer.start({ command: 'redis-server', persistence: 'no-persistence', directory }),
  );
}

type Case = (typeof CASES)[number];

function systemOf(engine: 'lmdb' | 'memory') {
  return { system: 'ringlet', n: 1, r: 1, w: 1, durability: 'buffered', engine } as const;
}

function nameOf({ command, pipeline }: Case): string {
  return `${command}, ${pipeline === 1 ? 'no pipeline' : `pipeline ${pipeline}`}`;
}

function isOf(row: Row, server: Server, { command, pipeline }: Case): boolean {
  return row['server'] === server && row['command'] === command && row['pipeline'] === pipeline;
}

/** Within each round, so that what else runs on the machine meets both. */
function ratioOf(one: Case, rounds: readonly (readonly RespReport[])[]): number | null {
  const ratios = rounds.flatMap((reports) => {
    const [redis, own] = SERVERS.map((server) => reports.find((report) => isReportOf(report, server, one)));
    return redis === undefined || own === undefined ? [] : [own.perSecond / redis.perSecond];
  });
  return ratios.length === 0 ? null : median(ratios);
}

function isReportOf(report: RespReport, server: Server, { command, pipeline }: Case): boolean {
  return report.server === server && report.command === command && report.pipeline === pipeline;
}

function rowsOf(
  server: Server,
  one: Case,
  reports: readonly RespReport[],
  { connections, valueBytes, requests }: Parameters,
  engine: 'lmdb' | 'memory',
): Row[] {
  const own = reports.filter((report) => isReportOf(report, server, one));
  if (own.length === 0) return [];
  const of = (field: 'perSecond' | 'meanUs' | 'p50Us' | 'p99Us' | 'maxUs'): number[] =>
    own.map((report) => report[field]);
  const setting = `${nameOf(one)}, ${valueBytes} B`;
  return [
    {
      ...EMPTY_ROW,
      ...(server === 'redis'
        ? { system: server, setting: `${setting}; no persistence` }
        : subjectOf({ ...systemOf(engine), directory: '' }, `${setting} by the Redis protocol`)),
      op: one.command === 'GET' ? 'get' : 'put',
      server,
      ...one,
      inFlight: connections * one.pipeline,
      opsPerSecond: median(of('perSecond')),
      meanUs: median(of('meanUs')),
      p50Us: median(of('p50Us')),
      p99Us: median(of('p99Us')),
      maxUs: Math.max(...of('maxUs')),
      samples: own.length * requests[one.pipeline]!,
      rounds: own.length,
      spread: relativeSpread(of('perSecond')),
      roundOpsPerSecond: of('perSecond'),
      roundP50Us: of('p50Us'),
    },
  ];
}

function rateFigure(rows: readonly Row[]): Figure {
  return {
    id: 'resp-rate',
    title: 'Requests per second by the Redis protocol, 50 connections',
    description: 'Bars for redis-server and the store: GET and SET, sixteen sent together and one at a time.',
    x: { label: 'requests', scale: 'category' },
    y: { label: 'requests/s', scale: 'linear' },
    series: SERVERS.map((server) => ({
      name: server,
      kind: 'bars' as const,
      points: CASES.flatMap((one) =>
        rows
          .filter((row) => isOf(row, server, one))
          .map((row) => {
            const rates = row['roundOpsPerSecond'] as readonly number[];
            return {
              x: nameOf(one),
              y: row.opsPerSecond ?? 0,
              low: Math.min(...rates),
              high: Math.max(...rates),
            };
          }),
      ),
    })).filter(({ points }) => points.length > 0),
    table: tableOf(rows, {
      server: (row) => String(row['server']),
      command: (row) => String(row['command']),
      pipeline: (row) => Number(row['pipeline']),
      'requests/s': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      spread: spreadText,
    }),
  };
}
