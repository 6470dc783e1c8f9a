import { mkdir } from 'node:fs/promises';
import { sleep } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import { keyAt, Workload } from '../measure/workload.js';
import type { Bucket } from '../../src/index.js';

export interface MemoryInput {
  readonly engine: 'lmdb' | 'memory';
  /** Replicas of each record; null for the default. */
  readonly n: number | null;
  readonly records: number;
  readonly valueBytes: number;
  readonly seed: number;
  readonly directory: string;
}

export interface MemoryReport {
  readonly bareNodeRssBytes: number;
  readonly startRssBytes: number;
  readonly filledRssBytes: number;
  readonly keysAndValuesBytes: number;
}

/** Puts in flight while the records are written. */
const LANES = 256;
const SETTLE_MS = 500;

/**
 * Resident memory of the whole process, collected before each reading: bare Node, after the start,
 * and after the records are written. Values are random and distinct; keys are distinct.
 */
export default async function memoryCase(spec: MemoryInput): Promise<MemoryReport> {
  const bareNodeRssBytes = await settledRss();
  const { open } = await import('../../src/index.js');
  await mkdir(spec.directory, { recursive: true });
  const store = await open({ engine: spec.engine, data: spec.directory });
  try {
    const startRssBytes = await settledRss();
    const n = spec.n ?? undefined;
    const bucket = store.bucket('bench', { conflict: 'lww', ...(n === undefined ? {} : { n, r: n, w: n }) });
    const keysAndValuesBytes = await write(bucket, spec);
    const filledRssBytes = await settledRss();
    return { bareNodeRssBytes, startRssBytes, filledRssBytes, keysAndValuesBytes };
  } finally {
    await store.close();
  }
}

async function write(bucket: Bucket, spec: MemoryInput): Promise<number> {
  const { values } = new Workload({ keys: 0, valueBytes: spec.valueBytes, seed: spec.seed });
  const random = new Random(spec.seed);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < spec.records; index = next++) {
      await bucket.put(keyAt(index), values[random.below(values.length)]!.bytes, { timeoutMs: 30_000 });
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return spec.records * (keyAt(0).length + spec.valueBytes);
}

async function settledRss(): Promise<number> {
  await sleep(SETTLE_MS);
  globalThis.gc?.();
  await sleep(50);
  return process.memoryUsage.rss();
}
