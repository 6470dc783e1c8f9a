import { redisProblem } from '../cases/redis-server.js';
import { interleaved } from '../measure/statistics.js';
import { Collector } from '../peers/collector.js';
import { peers, ringletContestants, type Contestant } from '../peers/contestants.js';
import { redisOpenLoop, ringletThreads, type OfferedRates } from '../peers/thread-contestants.js';
import { measureMemory } from '../peers/memory.js';
import { expectedPeersSeconds } from '../peers/expected-time.js';
import { PEERS_PARAMETERS } from '../peers/parameters.js';
import { requirements } from '../peers/requirements.js';
import { NEEDS_DISK, supportsDurability } from '../suite/defaults.js';
import { defineExperiment, type ExperimentContext } from '../suite/experiment.js';
import { betterSqliteProblem } from '../targets/better-sqlite3.js';

export default defineExperiment({
  name: 'peers',
  question: 'How does Ringlet compare with what one would otherwise use, on the same work in the same run?',
  parameters: PEERS_PARAMETERS,
  seconds: expectedPeersSeconds,
  async run(parameters, context) {
    const { engine } = context.options;
    const collector = new Collector(context);
    const memory = await measureMemory(context, parameters.records);
    let contestants = await available(
      [...peers(parameters, true), ...ringletContestants(parameters, engine)],
      context,
    );
    for (let round = 0; round < parameters.rounds; round++) {
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
});

async function available(
  contestants: readonly Contestant[],
  context: ExperimentContext,
): Promise<readonly Contestant[]> {
  const redis = await redisProblem();
  const sqlite = await betterSqliteProblem();
  if (redis !== null) context.skip('redis', redis);
  if (sqlite !== null) context.skip('better-sqlite3', sqlite);
  return contestants.filter((contestant) => {
    const system = contestant.system({ directory: '', redisPort: 0 });
    if (system.system === 'redis') return redis === null;
    if (system.system === 'better-sqlite3') return sqlite === null;
    if (system.system !== 'ringlet' || supportsDurability(system.engine, system.durability)) return true;
    context.skip(contestant.id, NEEDS_DISK);
    return false;
  });
}

function halfOfPeak(collector: Collector): OfferedRates | null {
  const peak = (id: string): number | null =>
    collector.rows().find((row) => row['id'] === id)?.opsPerSecond ?? null;
  const [gets, puts] = [peak('redis/get64'), peak('redis/put64')];
  return gets === null || puts === null ? null : { getsPerSecond: gets / 2, putsPerSecond: puts / 2 };
}
