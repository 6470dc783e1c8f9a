import { bucketProperties, openRinglet, type RingletSpec } from '../targets/ringlet.js';
import {
  COMMANDS,
  fill,
  redisBenchmark,
  type Command,
  type Shot,
  type ShotReport,
} from './redis-benchmark.js';

/** A burst before the clock starts: until then neither server has met the connections, nor compiled anything. */
const WARMUP_SHARE = 0.4;

export const SERVERS = ['redis', 'ringlet'] as const;
export type Server = (typeof SERVERS)[number];

export interface RespInput extends Pick<Shot, 'connections' | 'keys' | 'valueBytes'> {
  readonly system: RingletSpec;
  /** Of a Redis that runs; null without one. */
  readonly redisPort: number | null;
  /** Requests of one shot, by pipeline. */
  readonly requests: Readonly<Record<number, number>>;
}

export interface RespReport extends ShotReport {
  readonly server: Server;
  readonly command: Command;
  readonly pipeline: number;
}

/** The store in this process, and redis-benchmark against it and against Redis in turns: a pair is measured within a second or two. */
export default async function respCase(input: RespInput): Promise<readonly RespReport[]> {
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
  const pipelines = Object.keys(input.requests).map(Number);
  for (const server of servers) await fill(ports[server]!, keys, valueBytes);
  const reports: RespReport[] = [];
  for (const pipeline of pipelines) {
    for (const command of COMMANDS) {
      for (const server of servers) {
        const requests = input.requests[pipeline]!;
        const shot = { port: ports[server]!, command, connections, pipeline, keys, valueBytes };
        await redisBenchmark({ ...shot, requests: Math.ceil(requests * WARMUP_SHARE) });
        reports.push({ server, command, pipeline, ...(await redisBenchmark({ ...shot, requests })) });
      }
    }
  }
  return reports;
}
