import { redisProblem } from '../cases/redis-server.js';
import { percentileFigure } from '../figures/curves.js';
import { spreadText, tableOf, type Figure } from '../figures/figure.js';
import { shortNumber } from '../figures/ticks.js';
import { interleaved } from '../measure/statistics.js';
import { Collector } from '../peers/collector.js';
import { peers, ringletContestants, type Contestant } from '../peers/contestants.js';
import { redisOpenLoop, ringletThreads, type OfferedRates } from '../peers/thread-contestants.js';
import { measureMemory } from '../peers/memory.js';
import { expectedPeersSeconds } from '../peers/expected-time.js';
import { PEERS_PARAMETERS } from '../peers/parameters.js';
import { requirements } from '../peers/requirements.js';
import type { Row } from '../report/schema.js';
import { NEEDS_DISK, supportsDurability } from '../suite/defaults.js';
import { defineExperiment, type ExperimentContext } from '../suite/experiment.js';
import { betterSqliteProblem } from '../targets/better-sqlite3.js';

export default defineExperiment({
  name: 'peers',
  title: 'Peers: what you would otherwise use',
  explanation: {
    shows:
      'The same keys and values in Redis (a process of its own, reached by a socket) and in embedded stores (lmdb-js, classic-level, better-sqlite3), beside this store with one copy (N=1) and with three (N=3).',
    measured:
      'Every system in a fresh process with its best documented settings and its fastest documented calls that leave the value to the caller (lmdb-js also has one that lends it until the next get), interleaved in one run: 100,000 keys, values of 100 bytes. Closed loop with 1 and 64 in flight; Poisson rates at half of Redis’ own peak. Systems that are not installed are named below.',
    paper: null,
    follows:
      'For reads any store in the process is far ahead of one behind a socket. For writes, one copy is the fair comparison with a single Redis or LMDB; three copies are the price of surviving a dead thread or damaged files, and cost about three times as many wake-ups. A durable write costs a sync of the disk everywhere.',
  },
  question: 'How does Ringlet compare with what one would otherwise use, on the same work in the same run?',
  order: 5,
  inQuickRuns: true,
  parameters: PEERS_PARAMETERS,
  whenChosen: (parameters) => ({ ...parameters, sustained: parameters.sustainedAlone }),
  seconds: expectedPeersSeconds,
  async run(parameters, context) {
    const { engine } = context.options;
    await using collector = new Collector(context);
    const memory = await measureMemory(context, parameters.records);
    let contestants = await available(
      [...peers(parameters, true), ...ringletContestants(parameters, engine)],
      context,
    );
    for (const round of context.rounds(parameters.rounds)) {
      for (const contestant of interleaved(contestants, round)) await collector.run(contestant, round);
      if (round > 0) continue;
      // Redis' peak is known after its first round; the offered rates then stay for all rounds.
      const rates = halfOfPeak(collector);
      const threads = [
        ringletThreads(parameters, engine, rates),
        ...(rates === null ? [] : [redisOpenLoop(parameters, rates)]),
      ];
      for (const contestant of threads) await collector.run(contestant, round);
      contestants = [...contestants, ...threads];
    }
    const rows = collector.rows();
    return {
      rows: [...rows, ...memory.rows],
      summary: requirements(rows, memory.start, memory.growth),
    };
  },
  findings(rows) {
    const rate = (id: string): number => rows.find((row) => row['id'] === id)?.opsPerSecond ?? 0;
    const line = (what: string, step: string): string[] => {
      const [own, redis] = [rate(`ringlet-n3-buffered/${step}`), rate(`redis/${step}`)];
      if (own === 0 || redis === 0) return [];
      return [
        `${what}: ${shortNumber(own)}/s with three copies, ${shortNumber(redis)}/s from Redis without persistence.`,
      ];
    };
    return [
      ...line('Gets, one at a time', 'get1'),
      ...line('Puts, one at a time', 'put1'),
      ...line('Puts, 64 in flight', 'put64'),
    ];
  },
  figures: (rows) => [...peakFigure(rows, 'get'), ...peakFigure(rows, 'put'), ...openFigure(rows)],
});

async function available(
  contestants: readonly Contestant[],
  context: ExperimentContext,
): Promise<readonly Contestant[]> {
  const redis = await redisProblem();
  const valkey = contestants.some(({ server }) => server === 'valkey-server')
    ? await redisProblem('valkey-server')
    : null;
  const sqlite = await betterSqliteProblem();
  if (redis !== null) context.skip('redis', redis);
  if (valkey !== null) context.skip('valkey', valkey);
  if (sqlite !== null) context.skip('better-sqlite3', sqlite);
  return contestants.filter((contestant) => {
    const system = contestant.system({ directory: '', redisPort: 0 });
    if (contestant.server === 'valkey-server') return valkey === null;
    if (system.system === 'redis') return redis === null;
    if (system.system === 'better-sqlite3') return sqlite === null;
    if (system.system !== 'ringlet' || supportsDurability(system.engine, system.durability)) return true;
    context.skip(contestant.id, NEEDS_DISK);
    return false;
  });
}

function peakFigure(rows: readonly Row[], op: 'get' | 'put'): Figure[] {
  // Those of calling threads are measured to be held against each other.
  const chosen = rows.filter(
    (row) =>
      row.op === op &&
      row.callers === 1 &&
      row.inFlight !== null &&
      !String(row['id']).startsWith('ringlet-threads/'),
  );
  if (chosen.length === 0) return [];
  const name = (row: Row): string => String(row['id']).split('/')[0]!;
  const flights = [...new Set(chosen.map((row) => row.inFlight ?? 0))].sort((a, b) => a - b);
  return [
    {
      id: `peers-${op}`,
      title: op === 'get' ? 'Gets per second, one calling thread' : 'Puts per second, one calling thread',
      description: `Closed loop; bars per system for ${flights.join(' and ')} requests in flight, on a logarithmic axis. The systems stand in the order in which they ran first.`,
      x: { label: 'system', scale: 'category' },
      y: { label: `${op}s/s`, scale: 'log', from: 1_000, to: 2_000_000 },
      series: flights.map((inFlight) => ({
        name: `${inFlight} in flight`,
        kind: 'bars',
        points: chosen
          .filter((row) => row.inFlight === inFlight)
          .map((row) => {
            const rounds = (row['roundOpsPerSecond'] ?? []) as readonly number[];
            const range = rounds.length > 1 ? { low: Math.min(...rounds), high: Math.max(...rounds) } : {};
            return { x: name(row), y: row.opsPerSecond ?? 0, ...range };
          }),
      })),
      table: tableOf(chosen, {
        system: name,
        setting: (row) => row.setting,
        'in flight': (row) => row.inFlight,
        'per second': (row) => row.opsPerSecond,
        'p50 µs': (row) => row.p50Us,
        'p99.9 µs': (row) => row.p999Us,
        samples: (row) => row.samples,
        spread: spreadText,
      }),
    },
  ];
}

function openFigure(rows: readonly Row[]): Figure[] {
  const chosen = rows.filter((row) => String(row['id']).endsWith('-open'));
  if (chosen.length === 0) return [];
  return [
    percentileFigure(
      'peers-open',
      'Latency at half of Redis’ peak rate',
      chosen,
      (row) => `${row.system}, ${row.op}`,
    ),
  ];
}

function halfOfPeak(collector: Collector): OfferedRates | null {
  const peak = (id: string): number | null =>
    collector.rows().find((row) => row['id'] === id)?.opsPerSecond ?? null;
  const [gets, puts] = [peak('redis/get64'), peak('redis/put64')];
  return gets === null || puts === null ? null : { getsPerSecond: gets / 2, putsPerSecond: puts / 2 };
}
