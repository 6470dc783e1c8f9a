import { percentileFigure } from '../figures/curves.js';
import { spreadText, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { METHODS, type HttpInput, type HttpReport } from '../http/http-case.js';
import { COPIES, DOORS, type Door, ENGINE } from '../http/servers.js';
import { LatencyHistogram } from '../measure/histogram.js';
import { median, relativeSpread, sum } from '../measure/statistics.js';
import { EMPTY_ROW, GENERATOR_BOUND_UTILISATION, TRUSTED_P999_SAMPLES } from '../report/rows.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atLeast, ratio } from '../report/summary.js';
import { defineExperiment } from '../suite/experiment.js';

interface Parameters {
  /** Fresh processes, one after the other, and rounds in each. */
  readonly processes: number;
  readonly rounds: number;
  readonly connections: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

const GIVEN = { connections: 50, valueBytes: 100, keys: 1_000 };
const START_SECONDS = 0.7;
const SHOT_SECONDS = 0.1;

export default defineExperiment<Parameters>({
  name: 'http',
  title: 'HTTP: what the door costs',
  question: 'How many requests per second does the HTTP door answer, and how much of that is HTTP itself?',
  explanation: {
    shows:
      'The same requests against three servers: `node:http` that answers with a constant, fastify with the same constant and path, and the store’s own HTTP door, with three copies of each key (R=W=2) and with one. The difference between fastify and the door is the store with its checks, contexts and headers; that between the last two is the copies.',
    measured:
      'autocannon with 50 connections and no pipelining, gets and puts of 100-byte values over 1,000 keys, each connection with keys of its own; each server in a thread of its own. All are warmed up once and stay for all rounds (fresh ones for each in `--full`), since code that has just been compiled has half of its rate, and the door has more of it than a bare route. Where autocannon’s own thread had no time left (“bound”), the server could have done more. autocannon’s correction for coordinated omission is wrong (it assumes 1 ms between requests whatever the rate), so no rate is set, and each response’s time goes into our own histogram. It is a closed loop: read the latencies as times of a busy server.',
    paper: null,
    follows:
      'HTTP costs tens of microseconds per request before the store is asked anything; from the same program use the library or a handle. The door is for other programs, for operations, and for looking.',
  },
  parameters: {
    quick: { processes: 1, rounds: 1, ...GIVEN, warmupSeconds: 0.1, seconds: 0.3 },
    default: { processes: 1, rounds: 3, ...GIVEN, warmupSeconds: 1.6, seconds: 0.5 },
    full: { processes: 5, rounds: 1, ...GIVEN, warmupSeconds: 5, seconds: 30 },
  },
  seconds: (parameters) => parameters.processes * caseSeconds(parameters),
  async run(parameters, context) {
    const reports: HttpReport[] = [];
    for (const nth of context.rounds(parameters.processes)) {
      const input: HttpInput = { ...parameters, seed: context.options.seed + nth };
      const report = await context.runCase(`process ${nth + 1}`, {
        kind: 'module',
        url: new URL('../http/http-case.js', import.meta.url).href,
        input,
        seconds: caseSeconds(parameters),
      });
      if (report !== null && report.output !== null)
        reports.push(...(report.output as readonly HttpReport[]));
    }
    const rows = DOORS.flatMap((door) =>
      METHODS.flatMap((method) => {
        const own = reports.filter((report) => report.door === door && report.method === method);
        return own.length === 0 ? [] : [rowOf(door, method, own, parameters)];
      }),
    );
    return { rows, summary: rows.length === 0 ? [] : METHODS.map((method) => requirementOf(rows, method)) };
  },
  findings: (rows) =>
    METHODS.flatMap((method) => {
      const [bare, own, single] = (['bare fastify', 'ringlet', 'ringlet N=1'] as const).map((door) =>
        find(rows, door, method),
      );
      if (bare === undefined || own === undefined || single === undefined) return [];
      return [
        `${method}: ${shortNumber(own.opsPerSecond ?? 0)}/s by the store’s door (median ${timeText(own.p50Us)}), ${shortNumber(single.opsPerSecond ?? 0)}/s with a single copy, ${shortNumber(bare.opsPerSecond ?? 0)}/s by a bare fastify route.`,
      ];
    }),
  figures: (rows) =>
    rows.length === 0
      ? []
      : [
          rateFigure(rows),
          percentileFigure(
            'http-percentiles',
            'Latency of GET, 50 connections',
            rows.filter((row) => row['method'] === 'GET'),
            doorOf,
          ),
        ],
});

function caseSeconds({ rounds, warmupSeconds, seconds }: Parameters): number {
  const shots = warmupSeconds + SHOT_SECONDS + rounds * (seconds + SHOT_SECONDS);
  return DOORS.length * (START_SECONDS + METHODS.length * shots);
}

type Method = (typeof METHODS)[number];

function find(rows: readonly Row[], door: Door, method: Method): Row | undefined {
  return rows.find((row) => row['door'] === door && row['method'] === method);
}

function requirementOf(rows: readonly Row[], method: Method): SummaryLine {
  const rate = (door: Door): number | null => find(rows, door, method)?.opsPerSecond ?? null;
  return atLeast(`${method} by HTTP`, 0.85, ratio(rate('ringlet'), rate('bare fastify')), '× bare fastify');
}

function rowOf(
  door: Door,
  method: Method,
  reports: readonly HttpReport[],
  { connections, valueBytes }: Parameters,
): Row {
  const rates = reports.map(({ perSecond }) => perSecond);
  const merged = LatencyHistogram.merge(reports.map(({ histogram }) => histogram));
  const summary = merged.summary();
  const busiest = Math.max(...reports.map(({ eventLoopUtilisation }) => eventLoopUtilisation));
  const own = reports.map(({ histogram }) => LatencyHistogram.decode(histogram).summary());
  return {
    ...EMPTY_ROW,
    ...summary,
    ...(COPIES[door] === undefined
      ? { system: 'node' }
      : { system: 'ringlet', ...COPIES[door], durability: 'buffered', engine: ENGINE }),
    setting: `${door}, ${method} of ${valueBytes} B by HTTP`,
    op: method === 'GET' ? 'get' : 'put',
    door,
    method,
    inFlight: connections,
    opsPerSecond: median(rates),
    rounds: reports.length,
    spread: relativeSpread(rates),
    failed: sum(reports.map(({ errors }) => errors)),
    generatorBound: busiest > GENERATOR_BOUND_UTILISATION,
    eventLoopUtilisation: busiest,
    roundOpsPerSecond: rates,
    roundP50Us: own.map(({ p50Us }) => p50Us),
    roundP999Us: own.map(({ p999Us }) => p999Us),
    histogram: merged.encode(),
    p999FewSamples: summary.samples < TRUSTED_P999_SAMPLES,
  };
}

function doorOf(row: Row): string {
  return String(row['door']);
}

function rateFigure(rows: readonly Row[]): Figure {
  return {
    id: 'http-rate',
    title: 'Requests per second by HTTP, 50 connections',
    description: 'Bars for GET and PUT of each server; the thin lines are the range over the rounds.',
    x: { label: 'server', scale: 'category' },
    y: { label: 'requests/s', scale: 'linear' },
    series: METHODS.map((method) => ({
      name: method,
      kind: 'bars',
      points: rows
        .filter((row) => row['method'] === method)
        .map((row) => {
          const rates = row['roundOpsPerSecond'] as readonly number[];
          return {
            x: doorOf(row),
            y: row.opsPerSecond ?? 0,
            low: Math.min(...rates),
            high: Math.max(...rates),
          };
        }),
    })),
    table: tableOf(rows, {
      server: doorOf,
      method: (row) => String(row['method']),
      'requests/s': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      errors: (row) => Number(row['failed']),
      autocannon: (row) => (row.generatorBound === true ? 'bound' : 'free'),
      spread: spreadText,
    }),
  };
}
