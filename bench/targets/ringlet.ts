import type {
  Bucket,
  BucketProperties,
  Durability,
  GetResult,
  HostStore,
  OpenOptions,
  Store,
} from '../../src/index.js';
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
  /** Relative loads of single nodes. */
  readonly capacity?: Readonly<Record<string, number>>;
  /** Data may go beyond the object buffers: their size, if it is not the default. */
  readonly memoryMiB?: number;
  /** Largest value, if it is not the default. */
  readonly maxValueBytes?: number;
  /** False: every get is a message, even one whose record lies in shared memory. */
  readonly directReads?: boolean;
  /** `server`: any virtual node takes a request. */
  readonly coordination?: 'client' | 'server';
  /** `off`: background work is never held back for requests. */
  readonly foregroundP99Ms?: number | 'off';
  /** Room for virtual nodes that join; the store's default if it is not given. */
  readonly maxVnodes?: number;
  readonly allowFaults?: boolean;
  /** Data directory; not used by the memory engine. */
  readonly directory: string;
}

/** Puts in flight while the store is filled, and their bytes, which the store bounds. */
const FILL_LANES = 256;
const FILL_BYTES = 2 << 20;

/** `lww`, so that puts without a context do not pile up siblings: what every peer does too. */
export function bucketProperties({ n, r, w, durability }: RingletSpec): BucketProperties {
  return { n, r, w, durability, conflict: 'lww', strict: false };
}

export async function openRinglet(spec: RingletSpec): Promise<HostStore> {
  const { open } = await import('../../src/index.js');
  const { engine, directory: data, maxValueBytes: valueBytes } = spec;
  const { nodes, capacity, memoryMiB, directReads, coordination } = spec;
  const { foregroundP99Ms, maxVnodes, allowFaults } = spec;
  return await open(
    given({
      engine,
      data,
      nodes,
      capacity,
      memoryMiB,
      valueBytes,
      directReads,
      coordination,
      foregroundP99Ms,
      maxVnodes,
      allowFaults,
    }),
  );
}

/** Without the options that are not given: an explicit undefined is none of the option's values. */
function given(options: { [K in keyof OpenOptions]: OpenOptions[K] | undefined }): OpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
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
  const lanes = Math.max(1, Math.min(FILL_LANES, Math.floor(FILL_BYTES / Math.max(1, value().length))));
  await Promise.all(Array.from({ length: lanes }, lane));
}
