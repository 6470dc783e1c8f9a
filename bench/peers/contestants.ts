import { availableParallelism } from 'node:os';
import type { RedisCommand, RedisPersistence } from '../cases/redis-server.js';
import type { PeersParameters } from './parameters.js';
import type { ClosedStep, Step } from '../cases/case.js';
import type { Operation } from '../measure/loop.js';
import type { SystemSpec } from '../targets/open-target.js';
import type { RingletSpec } from '../targets/ringlet.js';

/** Of the store, and so of the rows with N=3. */
const DEFAULT_NODES = 4;

/** A step with a name of its own, by which requirements find its row. */
export interface NamedStep {
  readonly name: string;
  readonly step: Step;
}

/** One system with one setting; each round runs its steps in a fresh process. */
export interface Contestant {
  readonly id: string;
  readonly setting: string;
  /** A server that must run first, on a port of its own. */
  readonly redis: RedisPersistence | null;
  /** Redis unless another one that speaks its protocol is named. */
  readonly server?: RedisCommand;
  readonly steps: readonly NamedStep[];
  system(place: Place): SystemSpec;
}

export interface Place {
  readonly directory: string;
  readonly redisPort: number;
}

/** The systems that Ringlet is compared with, each with its fastest documented way of these calls. */
export function peers(parameters: PeersParameters, sqlite: boolean): readonly Contestant[] {
  const { get1, get64, put1, put64 } = paths(parameters, 'compared');
  const redisWith =
    (autoPipelining: boolean) =>
    ({ redisPort }: Place): SystemSpec => ({ system: 'redis', port: redisPort, autoPipelining });
  const redis = redisWith(false);
  const lmdb =
    (noSync: boolean) =>
    (place: Place): SystemSpec => ({
      system: 'lmdb',
      noSync,
      directory: place.directory,
    });
  const level =
    (sync: boolean) =>
    (place: Place): SystemSpec => ({
      system: 'classic-level',
      sync,
      directory: place.directory,
    });
  const sqliteWith =
    (synchronousPragma: 'NORMAL' | 'FULL') =>
    (place: Place): SystemSpec => ({
      system: 'better-sqlite3',
      synchronousPragma,
      directory: place.directory,
    });
  const embedded = (
    id: string,
    setting: string,
    steps: NamedStep[],
    system: Contestant['system'],
  ): Contestant => ({
    id,
    setting,
    redis: null,
    steps,
    system,
  });
  return [
    {
      id: 'redis',
      setting: 'ioredis, no persistence',
      redis: 'no-persistence',
      steps: [get1, get64, put1, put64],
      system: redis,
    },
    {
      id: 'redis-aof',
      setting: 'ioredis, appendfsync always',
      redis: 'append-always',
      steps: [put1, put64],
      system: redis,
    },
    ...(parameters.allLevels
      ? [
          {
            id: 'redis-pipelined',
            setting: 'ioredis with automatic pipelining, no persistence',
            redis: 'no-persistence' as const,
            // With one in flight there is nothing to send together.
            steps: [get64, put64],
            system: redisWith(true),
          },
          ...morePeers(redis, [get1, get64, put1, put64]),
        ]
      : []),
    embedded('lmdb', 'defaults (fsync)', [get1, put1, put64], lmdb(false)),
    embedded('lmdb-nosync', 'noSync', [get1, put1, put64], lmdb(true)),
    embedded('level', 'getSync, put without sync', [get1, put1, put64], level(false)),
    ...(parameters.allLevels ? [embedded('level-sync', 'put with sync', [put1, put64], level(true))] : []),
    ...(sqlite
      ? [
          embedded('sqlite-normal', 'WAL, synchronous NORMAL', [get1, put1], sqliteWith('NORMAL')),
          ...(parameters.allLevels
            ? [embedded('sqlite-full', 'WAL, synchronous FULL', [put1], sqliteWith('FULL'))]
            : []),
        ]
      : []),
  ];
}

/** Without a requirement; their gets and puts are those of Redis. */
function morePeers(system: Contestant['system'], steps: readonly NamedStep[]): readonly Contestant[] {
  const puts = steps.filter(({ step }) => step.kind === 'closed' && step.op === 'put');
  return [
    {
      id: 'redis-everysec',
      setting: 'ioredis, appendfsync everysec',
      redis: 'append-everysec',
      steps: puts,
      system,
    },
    {
      id: 'valkey',
      setting: 'Valkey by ioredis, no persistence',
      redis: 'no-persistence',
      server: 'valkey-server',
      steps,
      system,
    },
  ];
}

/** Ringlet's own rows. Only levels with a requirement are sustained; the gets are the same at every level. */
export function ringletContestants(
  parameters: PeersParameters,
  engine: RingletSpec['engine'],
): readonly Contestant[] {
  const sustained = paths(parameters, 'sustained');
  const short = paths(parameters, 'closed');
  const all = [sustained.get1, sustained.get64, sustained.put1, sustained.put64];
  const required = [
    ringlet(3, 'buffered', engine, all),
    ringlet(1, 'buffered', engine, all),
    ringlet(1, 'durable', engine, [sustained.put1, sustained.put64]),
  ];
  if (!parameters.allLevels) return required;
  return [...required, ringlet(1, 'committed', engine, [short.put1, short.put64])];
}

export function ringlet(
  n: 1 | 3,
  durability: RingletSpec['durability'],
  engine: RingletSpec['engine'],
  steps: readonly NamedStep[],
): Contestant {
  const quorum = n === 3 ? { n: 3, r: 2, w: 2 } : { n: 1, r: 1, w: 1 };
  // Without replicas more busy threads than cores only cost wake-ups, and the caller is one of them.
  const nodes = n === 1 ? { nodes: Math.min(Math.max(1, availableParallelism() - 1), DEFAULT_NODES) } : {};
  return {
    id: `ringlet-n${n}-${durability}`,
    setting: n === 1 ? `a node per core but one (${nodes.nodes}), lww bucket` : 'default options, lww bucket',
    redis: null,
    steps,
    system: ({ directory }) => ({ system: 'ringlet', ...quorum, durability, engine, directory, ...nodes }),
  };
}

type PathName = 'get1' | 'get64' | 'put1' | 'put64';

function paths(
  parameters: PeersParameters,
  putsInFlight: 'closed' | 'sustained' | 'compared',
): Record<PathName, NamedStep> {
  const closed = (op: Operation, inFlight: number, window: object): ClosedStep => ({
    kind: 'closed',
    op,
    inFlight,
    callers: 'main',
    ...parameters.closed,
    ...window,
  });
  const many = parameters.inFlight;
  return {
    get1: { name: 'get1', step: closed('get', 1, {}) },
    get64: { name: 'get64', step: closed('get', many, {}) },
    put1: { name: 'put1', step: closed('put', 1, {}) },
    put64: { name: 'put64', step: closed('put', many, parameters[putsInFlight]) },
  };
}
