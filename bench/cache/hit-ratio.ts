import { LRUCache } from 'lru-cache';
import { nowMs } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import { keyAt } from '../measure/workload.js';
import { Zipfian } from '../measure/zipfian.js';
import { open } from '../../src/index.js';

export const TRACES = ['zipfian', 'scans', 'moving'] as const;
export type Trace = (typeof TRACES)[number];

export interface HitRatioInput {
  readonly contestant: 'ringlet' | 'lru-cache';
  readonly trace: Trace;
  readonly keys: number;
  readonly requests: number;
  readonly valueBytes: number;
  /** What the cache may have: for Ringlet whole records with their headers, for lru-cache keys and values alone. */
  readonly maxBytes: number;
  readonly seed: number;
}

export interface HitRatioReport {
  /** After a first fifth of the requests, which fills the cache. */
  readonly hitRatio: number;
  readonly perSecond: number;
}

/** Requests that are under way at a time. */
const LANES = 16;
const WARM_UP = 0.2;
/** A scan of so many keys that come once comes after so many requests. */
const SCAN = 2_000;
const BETWEEN_SCANS = 3_000;
/** Four times in a trace the popularity of keys moves on by so much of them. */
const MOVES = 4;
const MOVE_SHARE = 0.02;

/** The numbers of the keys that are asked for, one after the other. */
export function* traceOf({ trace, keys, requests, seed }: HitRatioInput): Generator<number> {
  const zipfian = new Zipfian(new Random(seed), keys);
  // Neighbours in rank are no neighbours in number.
  const scattered = (rank: number): number => (rank * 7_919) % keys;
  for (let i = 0; i < requests; i++) {
    const inScan = trace === 'scans' && i % (SCAN + BETWEEN_SCANS) >= BETWEEN_SCANS;
    if (inScan) yield keys + i;
    else if (trace === 'moving')
      yield scattered(
        (zipfian.next() + Math.floor((i * MOVES) / requests) * Math.floor(keys * MOVE_SHARE)) % keys,
      );
    else yield scattered(zipfian.next());
  }
}

/** Asks for one key after the other and puts what is not there, as a cache is used. */
export default async function hitRatio(input: HitRatioInput): Promise<HitRatioReport> {
  const { contestant, requests } = input;
  const trace = traceOf(input);
  const cache = contestant === 'ringlet' ? await openRinglet(input) : openLru(input);
  const from = Math.floor(requests * WARM_UP);
  let asked = 0;
  let hits = 0;
  let fromMs = nowMs();
  const lane = async (): Promise<void> => {
    for (const key of trace) {
      const measured = asked >= from;
      if (asked++ === from) fromMs = nowMs();
      if ((await cache.use(keyAt(key))) && measured) hits++;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const seconds = (nowMs() - fromMs) / 1_000;
  await cache.close();
  return { hitRatio: hits / (requests - from), perSecond: (requests - from) / seconds };
}

interface Cache {
  /** Whether it was there; if not, it is now. */
  use(key: string): boolean | Promise<boolean>;
  close(): void | Promise<void>;
}

async function openRinglet({ maxBytes, valueBytes }: HitRatioInput): Promise<Cache> {
  const memoryMiB = Math.max(64, Math.ceil((maxBytes * 3) / 1_048_576));
  const store = await open({ engine: 'memory', nodes: 1, memoryMiB });
  const bucket = store.bucket('cache', { cache: true, maxBytes });
  const value = new Uint8Array(valueBytes);
  return {
    async use(key) {
      if ((await bucket.get(key)).found) return true;
      await bucket.put(key, value);
      return false;
    },
    close: () => store.close(),
  };
}

function openLru({ maxBytes, valueBytes }: HitRatioInput): Cache {
  const cache = new LRUCache<string, Uint8Array>({
    maxSize: maxBytes,
    sizeCalculation: (value, key) => value.length + key.length,
  });
  return {
    use(key) {
      if (cache.get(key) !== undefined) return true;
      cache.set(key, new Uint8Array(valueBytes));
      return false;
    },
    close: () => cache.clear(),
  };
}
