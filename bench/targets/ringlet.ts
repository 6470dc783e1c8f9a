import type { Bucket, BucketProperties, Durability, GetResult, HostStore, Store } from '../../src/index.js';
import type { Target } from './target.js';

export interface RingletSpec {
  readonly system: 'ringlet';
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly durability: Durability;
  readonly engine: 'lmdb' | 'memory';
  /** The store's default if it is not given. */
  readonly nodes?: number;
  /** Data directory; not used by the memory engine. */
  readonly directory: string;
}

/** Puts in flight while the store is filled. */
const FILL_LANES = 256;

/** `lww`, so that puts without a context do not pile up siblings: what every peer does too. */
export function bucketProperties({ n, r, w, durability }: RingletSpec): BucketProperties {
  return { n, r, w, durability, conflict: 'lww' };
}

export async function openRinglet(spec: RingletSpec): Promise<HostStore> {
  const { open } = await import('../../src/index.js');
  const nodes = spec.nodes === undefined ? {} : { nodes: spec.nodes };
  return await open({ engine: spec.engine, data: spec.directory, ...nodes });
}

export function ringletTarget(store: Store, properties: BucketProperties): Target {
  const bucket = store.bucket('bench', properties);
  return {
    synchronous: { get: false, put: false },
    get: (key) => bucket.get(key),
    put: (key, value) => bucket.put(key, value.bytes),
    valueBytes: (result) => (result as GetResult).value?.length ?? -1,
    writeAll: (workload) => fill(bucket, workload.keys, () => workload.value().bytes),
    close: () => store.close(),
  };
}

/** Buffered, whatever the bucket's level: filling is not measured. */
async function fill(bucket: Bucket, keys: readonly string[], value: () => Uint8Array): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      await bucket.put(key, value(), { durability: 'buffered', timeoutMs: 30_000 });
    }
  };
  await Promise.all(Array.from({ length: FILL_LANES }, lane));
}
