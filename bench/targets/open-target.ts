import { mkdir } from 'node:fs/promises';
import { betterSqliteTarget, type BetterSqliteSpec } from './better-sqlite3.js';
import { classicLevelTarget, type ClassicLevelSpec } from './classic-level.js';
import { lmdbTarget, type LmdbSpec } from './lmdb.js';
import { redisTarget, type RedisSpec } from './redis.js';
import { bucketProperties, openRinglet, ringletTarget, type RingletSpec } from './ringlet.js';
import type { Target } from './target.js';
import type { BucketProperties, Handle, HostStore } from '../../src/index.js';

export type SystemSpec = RingletSpec | RedisSpec | LmdbSpec | ClassicLevelSpec | BetterSqliteSpec;
export type SystemName = SystemSpec['system'];

/** A system opened in this process. */
export interface OpenSystem {
  readonly target: Target;
  /** Only for Ringlet. */
  readonly store: HostStore | null;
}

export async function openSystem(spec: SystemSpec): Promise<OpenSystem> {
  if ('directory' in spec) await mkdir(spec.directory, { recursive: true });
  switch (spec.system) {
    case 'ringlet': {
      const store = await openRinglet(spec);
      return { target: ringletTarget(store, bucketProperties(spec)), store };
    }
    case 'redis':
      return { target: await redisTarget(spec), store: null };
    case 'lmdb':
      return { target: await lmdbTarget(spec), store: null };
    case 'classic-level':
      return { target: await classicLevelTarget(spec), store: null };
    case 'better-sqlite3':
      return { target: await betterSqliteTarget(spec), store: null };
  }
}

/** What another thread needs to use the same system. */
export type RemoteSystem =
  | { readonly system: 'ringlet'; readonly handle: Handle; readonly properties: BucketProperties }
  | RedisSpec;

export function remoteSystem(spec: SystemSpec, { store }: OpenSystem): RemoteSystem {
  if (spec.system === 'redis') return spec;
  if (spec.system === 'ringlet' && store !== null) {
    return { system: 'ringlet', handle: store.handle(), properties: bucketProperties(spec) };
  }
  throw new Error(`${spec.system} is measured in one thread only`);
}

export async function connectRemote(remote: RemoteSystem): Promise<Target> {
  if (remote.system === 'redis') return await redisTarget(remote);
  const { connect } = await import('../../src/index.js');
  return ringletTarget(connect(remote.handle), remote.properties);
}
