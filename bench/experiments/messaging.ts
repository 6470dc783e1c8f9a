import type { ClosedStep, StepReport } from '../cases/case.js';
import { percentileFigure } from '../figures/curves.js';
import { linesBy, spreadText, tableOf, type Figure } from '../figures/figure.js';
import { bytesText, shortNumber } from '../figures/ticks.js';
import { LatencyHistogram } from '../measure/histogram.js';
import { interleaved, median, relativeSpread } from '../measure/statistics.js';
import type { RoundTripsInput, RoundTripsReport } from '../messaging/round-trips.js';
import { EMPTY_ROW, rowsOf, subjectOf, TRUSTED_P999_SAMPLES } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { atLeast, ratio } from '../report/summary.js';
import { defineExperiment, type ExperimentContext, type ProcessPlan } from '../suite/experiment.js';
import { startSeconds } from '../suite/load-steps.js';

interface Parameters {
  readonly rounds: number;
  readonly bytes: readonly number[];
  readonly inFlight: readonly number[];
  /** Threads that send back, for the smallest size with many in flight. */
  readonly threads: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

const TRANSPORTS = ['ring', 'port'] as const;
const NAMES = { ring: 'ring buffer', port: 'MessagePort', direct: 'direct read' } as const;
const START_SECONDS = 0.5;
const KEYS = 1_000;
/** The project's goal: round trips of the ring over those of a MessagePort. */
const REQUIRED_FACTOR = 5;
const REQUIRED_AT = { bytes: 100, inFlight: 64 };

export default defineExperiment<Parameters>({
  name: 'messaging',
  order: 4,
  inQuickRuns: true,
  title: 'Messaging: what it costs to ask another thread',
  question:
    'How many round trips between two threads do ring buffers give, how many a MessagePort, and what does reading without a message save?',
  explanation: {
    shows:
      'Replicas are threads, so every put is messages between threads. Ring buffers in shared memory are compared with MessagePort, Node’s own way, and with direct reads: a get that finds its record in shared memory and asks nobody.',
    measured:
      'One thread sends numbered messages and keeps 1 or 64 of them on their way; another sends each back, body included. Direct reads are gets with N=1 from the thread that opened the store, one at a time. A closed loop; a fresh process per round and way.',
    paper: null,
    follows:
      'With one request in flight a message costs a wake-up of a sleeping thread, whatever carries it; many in flight share wake-ups, and there rings win, as long as messages are small: one of 64 KiB fills half of a ring. Gets are cheap because they avoid messages: keep the working set within the object buffers (`memory`).',
  },
  parameters: {
    quick: {
      rounds: 1,
      bytes: [100, 4_096],
      inFlight: [1, 64],
      threads: [1],
      warmupSeconds: 0.3,
      seconds: 0.2,
    },
    default: {
      rounds: 3,
      bytes: [100, 4_096, 65_536],
      inFlight: [1, 64],
      threads: [1, 2, 4],
      warmupSeconds: 0.5,
      seconds: 0.3,
    },
    full: {
      rounds: 5,
      bytes: [100, 1_024, 4_096, 16_384, 65_536],
      inFlight: [1, 64],
      threads: [1, 2, 4, 8],
      warmupSeconds: 1,
      seconds: 10,
    },
  },
  seconds: (parameters, processes) =>
    parameters.rounds * TRANSPORTS.length * caseSeconds(parameters) + directSeconds(parameters, processes),
  async run(parameters, context) {
    const points = pointsOf(parameters);
    const results = TRANSPORTS.map((transport) => ({ transport, rounds: [] as RoundTripsReport[][] }));
    const direct = parameters.bytes.map((): StepReport[] => []);
    for (const round of context.rounds(parameters.rounds)) {
      for (const { transport, rounds } of interleaved(results, round)) {
        const input: RoundTripsInput = { ...parameters, transport, points };
        const report = await context.runCase(`${transport}, round ${round + 1}`, {
          kind: 'module',
          url: new URL('../messaging/round-trips.js', import.meta.url).href,
          input,
          seconds: caseSeconds(parameters),
        });
        if (report !== null && report.output !== null) rounds.push(report.output as RoundTripsReport[]);
      }
      for (const [index, bytes] of parameters.bytes.entries()) {
        direct[index]!.push(...(await directReads(context, parameters, bytes, round)));
      }
    }
    const messages = results.flatMap(({ transport, rounds }) =>
      rounds.length === 0
        ? []
        : points.map((point, index) =>
            rowOf(
              transport,
              point,
              rounds.map((round) => round[index]!),
            ),
          ),
    );
    const reads = parameters.bytes.flatMap((bytes, index) =>
      rowsOf(subjectOf(DIRECT, `direct read, ${bytes} B`), directStep(parameters), direct[index]!).map(
        (row) => ({
          ...row,
          transport: 'direct',
          bytes,
          threads: 1,
        }),
      ),
    );
    return { rows: [...messages, ...reads], summary: [requirement(messages)] };
  },
  findings(rows) {
    const rate = (transport: string, inFlight: number): number =>
      rows.find((row) => row['transport'] === transport && row['bytes'] === 100 && row.inFlight === inFlight)
        ?.opsPerSecond ?? 0;
    const texts = [
      `With 100 bytes and 64 in flight, ring buffers give ${shortNumber(rate('ring', 64))} round trips/s, a MessagePort ${shortNumber(rate('port', 64))}: ${shortNumber(rate('ring', 64) / (rate('port', 64) || 1))} times as many.`,
    ];
    const reads = rate('direct', 1);
    if (reads > 0)
      texts.push(
        `One thread reads ${shortNumber(reads)} records/s directly, and gets ${shortNumber(rate('ring', 1))} answers/s through a ring with one request at a time.`,
      );
    return texts;
  },
  figures: (rows) => (rows.length === 0 ? [] : [sizeFigure(rows), tailFigure(rows), ...threadsFigure(rows)]),
});

const DIRECT = {
  system: 'ringlet',
  n: 1,
  r: 1,
  w: 1,
  durability: 'buffered',
  engine: 'memory',
  directory: '',
} as const;

function directStep({ seconds, ...parameters }: Parameters): ClosedStep {
  const warmupSeconds = directWarmup(parameters);
  return { kind: 'closed', op: 'get', inFlight: 1, callers: 'main', warmupSeconds, seconds };
}

/** A process that is under load before its first step needs less of it than one whose points have new threads. */
function directWarmup({ warmupSeconds }: Pick<Parameters, 'warmupSeconds'>): number {
  return warmupSeconds / 2;
}

async function directReads(
  context: ExperimentContext,
  parameters: Parameters,
  bytes: number,
  round: number,
): Promise<readonly StepReport[]> {
  const report = await context.runRound(`direct reads of ${bytesText(bytes)}`, round, (directory) => ({
    kind: 'steps',
    system: { ...DIRECT, directory },
    workload: { keys: KEYS, valueBytes: bytes, seed: context.options.seed + round },
    steps: [directStep(parameters)],
  }));
  return report?.steps ?? [];
}

function pointsOf({ bytes, inFlight, threads }: Parameters): RoundTripsInput['points'] {
  const bySize = bytes.flatMap((size) =>
    inFlight.map((flight) => ({ bytes: size, inFlight: flight, threads: 1 })),
  );
  const byThreads = threads
    .filter((count) => count > 1)
    .map((count) => ({ bytes: bytes[0]!, inFlight: inFlight.at(-1)!, threads: count }));
  return [...bySize, ...byThreads];
}

function caseSeconds(parameters: Parameters): number {
  return START_SECONDS + pointsOf(parameters).length * (parameters.warmupSeconds + parameters.seconds + 0.1);
}

function directSeconds(
  { bytes, seconds, rounds, ...parameters }: Parameters,
  processes: ProcessPlan,
): number {
  const start = (processes.stay ? 1 : rounds) * startSeconds(KEYS, processes);
  return bytes.length * (start + rounds * (directWarmup(parameters) + seconds));
}

function rowOf(
  transport: (typeof TRANSPORTS)[number],
  { bytes, inFlight, threads }: RoundTripsInput['points'][number],
  rounds: readonly RoundTripsReport[],
): Row {
  const rates = rounds.map((round) => round.perSecond);
  const merged = LatencyHistogram.merge(rounds.map((round) => round.histogram));
  const summary = merged.summary();
  const own = rounds.map((round) => LatencyHistogram.decode(round.histogram).summary());
  return {
    ...EMPTY_ROW,
    ...summary,
    system: transport === 'ring' ? 'ringlet' : 'node',
    setting: `${NAMES[transport]}, ${bytes} B round trip, ${threads} answering`,
    transport,
    bytes,
    threads,
    callers: 1,
    inFlight,
    opsPerSecond: median(rates),
    rounds: rounds.length,
    spread: relativeSpread(rates),
    roundOpsPerSecond: rates,
    roundP50Us: own.map(({ p50Us }) => p50Us),
    roundP999Us: own.map(({ p999Us }) => p999Us),
    histogram: merged.encode(),
    p999FewSamples: summary.samples < TRUSTED_P999_SAMPLES,
  };
}

function nameOf(row: Row): string {
  return NAMES[row['transport'] as keyof typeof NAMES];
}

function sizeFigure(rows: readonly Row[]): Figure {
  const single = rows.filter((row) => row['threads'] === 1);
  return {
    id: 'messaging-size',
    title: 'Round trips per second by size of the message',
    description:
      'Lines by size of the message: ring buffers and MessagePorts with 1 and 64 on their way, and direct reads.',
    x: { label: 'bytes', scale: 'log', unit: 'bytes' },
    y: { label: 'per second', scale: 'log' },
    series: linesBy(
      single,
      (row) => (row['transport'] === 'direct' ? 'direct read' : `${nameOf(row)}, ${row.inFlight} in flight`),
      (row) => Number(row['bytes']),
      (row) => row.opsPerSecond,
    ),
    table: tableOf(single, {
      way: nameOf,
      bytes: (row) => Number(row['bytes']),
      'in flight': (row) => row.inFlight,
      'per second': (row) => row.opsPerSecond,
      'p50 µs': (row) => row.p50Us,
      'p99.9 µs': (row) => row.p999Us,
      spread: spreadText,
    }),
  };
}

function tailFigure(rows: readonly Row[]): Figure {
  const chosen = rows.filter((row) => row['bytes'] === rows[0]!['bytes'] && row.inFlight === 1);
  return percentileFigure(
    'messaging-percentiles',
    `Time of a single round trip, ${String(rows[0]!['bytes'])} bytes`,
    chosen,
    nameOf,
  );
}

function threadsFigure(rows: readonly Row[]): Figure[] {
  const [first] = rows;
  const most = Math.max(...rows.map((row) => row.inFlight ?? 0));
  const chosen = rows.filter((row) => row['bytes'] === first!['bytes'] && row.inFlight === most);
  if (!chosen.some((row) => Number(row['threads']) > 1)) return [];
  return [
    {
      id: 'messaging-threads',
      title: `Round trips per second by number of answering threads, ${most} in flight to each`,
      description: 'One thread talks to 1, 2, 4 or more. Its own core limits the sum.',
      x: { label: 'answering threads', scale: 'category' },
      y: { label: 'per second, all together', scale: 'linear' },
      series: TRANSPORTS.map((transport) => ({
        name: NAMES[transport],
        kind: 'bars',
        points: chosen
          .filter((row) => row['transport'] === transport)
          .sort((a, b) => Number(a['threads']) - Number(b['threads']))
          .map((row) => ({ x: String(row['threads']), y: row.opsPerSecond ?? 0 })),
      })),
      table: tableOf(chosen, {
        way: nameOf,
        threads: (row) => Number(row['threads']),
        'per second': (row) => row.opsPerSecond,
        'p50 µs': (row) => row.p50Us,
        'p99.9 µs': (row) => row.p999Us,
      }),
    },
  ];
}

function requirement(rows: readonly Row[]): ReturnType<typeof atLeast> {
  const { bytes, inFlight } = REQUIRED_AT;
  const rate = (transport: string): number | null =>
    rows.find(
      (row) =>
        row['transport'] === transport &&
        row['bytes'] === bytes &&
        row.inFlight === inFlight &&
        row['threads'] === 1,
    )?.opsPerSecond ?? null;
  return atLeast(
    `ring buffer, ${bytes} B, ${inFlight} in flight`,
    REQUIRED_FACTOR,
    ratio(rate('ring'), rate('port')),
    '× MessagePort',
  );
}
