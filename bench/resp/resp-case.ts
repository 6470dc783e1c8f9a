import { bucketProperties, openRinglet, type RingletSpec } from '../targets/ringlet.js';
import {
  COMMANDS,
  fill,
  redisBenchmark,
  type Command,
  type Shot,
  type ShotReport,
} from './redis-benchmark.js';

export const SERVERS = ['redis', 'ringlet'] as const;
export type Server = (typeof SERVERS)[number];

export interface RespInput extends Pick<Shot, 'connections' | 'keys' | 'valueBytes'> {
  readonly system: RingletSpec;
  /** Of a Redis that runs; null without one. */
  readonly redisPort: number | null;
  readonly rounds: number;
  /** Requests of one shot, by pipeline. */
  readonly requests: Readonly<Record<number, number>>;
  /** Before the first round, as a multiple of them: until then nothing of the store is compiled. */
  readonly warmup: number;
}

export interface RespReport extends ShotReport {
  readonly server: Server;
  readonly command: Command;
  readonly pipeline: number;
}

/**
 * The store in this process, and redis-benchmark against it and against Redis in turns: a pair is measured within a
 * second or two.
 *
 * @returns by round
 */
export default async function respCase(input: RespInput): Promise<readonly (readonly RespReport[])[]> {
  const { bindResp } = await import('../../src/server/resp/listener.js');
  const { startResp } = await import('../../src/server/resp/start.js');
  const store = await openRinglet(input.system);
  // Database 0 takes the bucket as it is; of its own it would make one with the store's default n.
  await store.bucket('redis-0', bucketProperties(input.system)).put('made', 'with these properties');
  const listener = await bindResp({ host: '127.0.0.1', port: 0 });
  startResp(store, listener, {
    valueBytes: 1 << 20,
    allowFlush: false,
    version: 'bench',
    report: (error) => console.error(error),
  });
  const { connections, keys, valueBytes } = input;
  const ports = { redis: input.redisPort, ringlet: listener.port };
  const servers = SERVERS.filter((server) => ports[server] !== null);
  const shots = Object.keys(input.requests)
    .map(Number)
    .flatMap((pipeline) =>
      COMMANDS.flatMap((command) => servers.map((server) => ({ server, command, pipeline }))),
    );
  const shoot = async (
    { server, command, pipeline }: (typeof shots)[number],
    share = 1,
  ): Promise<ShotReport> =>
    await redisBenchmark({
      port: ports[server]!,
      command,
      pipeline,
      requests: Math.ceil(input.requests[pipeline]! * share),
      connections,
      keys,
      valueBytes,
    });
  for (const server of servers) await fill(ports[server]!, keys, valueBytes);
  for (const shot of shots) await shoot(shot, input.warmup);
  const rounds: RespReport[][] = [];
  for (let round = 0; round < input.rounds; round++) {
    const reports: RespReport[] = [];
    for (const shot of shots) reports.push({ ...shot, ...(await shoot(shot)) });
    rounds.push(reports);
  }
  return rounds;
}
