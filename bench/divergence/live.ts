import { nowMs, sleep } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import type { Bucket, Context, FaultControl } from '../../src/index.js';

export interface LiveInput {
  readonly writers: number;
  readonly keys: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface LiveReport {
  readonly name: string;
  readonly writers: number;
  /** `returned[k]`: how many gets returned k versions. */
  readonly returned: readonly number[];
}

const NODES = 3;
const BACK_OFF_MS = 5;

/** Gets of a store with siblings, while writers overwrite its keys: alone, together, and with a node cut off. */
export default async function live(input: LiveInput): Promise<readonly LiveReport[]> {
  const { open } = await import('../../src/index.js');
  const store = await open({ engine: 'memory', nodes: NODES, allowFaults: true });
  // W=1, so that both sides of a partition go on.
  const bucket = store.bucket('divergence', { n: 3, r: 2, w: 1 });
  const reports: LiveReport[] = [];
  const situations = [
    { name: 'one writer', writers: 1, cut: false },
    { name: `${input.writers} writers`, writers: input.writers, cut: false },
    { name: `${input.writers} writers, a node cut off`, writers: input.writers, cut: true },
  ];
  try {
    for (const { name, writers, cut } of situations) {
      cutOff(store.faults, cut);
      reports.push({ name, writers, returned: await write(bucket, { ...input, writers }) });
    }
  } finally {
    store.faults.clear();
    await store.close();
  }
  return reports;
}

/** One node hears nothing of the others; callers reach all of them. */
function cutOff(faults: FaultControl, cut: boolean): void {
  faults.clear();
  if (!cut) return;
  for (const to of ['n2', 'n3']) faults.inject({ kind: 'link', from: 'n1', to, cut: true });
}

async function write(
  bucket: Bucket,
  { writers, keys, seconds, seed }: LiveInput,
): Promise<readonly number[]> {
  const returned: number[] = [];
  const untilMs = nowMs() + seconds * 1_000;
  const writer = async (_: unknown, stream: number): Promise<void> => {
    const random = new Random(seed, stream);
    while (nowMs() < untilMs) {
      const key = `key-${random.below(keys)}`;
      try {
        const found = await bucket.get(key);
        const versions = found.siblings.length;
        if (versions > 0) returned[versions] = (returned[versions] ?? 0) + 1;
        await bucket.put(key, `${stream}`, context(found.context));
      } catch (error) {
        // Copies for whoever is cut off are followed up to their deadline; too many of them, and puts are refused.
        if ((error as { retryable?: boolean }).retryable !== true) throw error;
        await sleep(BACK_OFF_MS);
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
  return Array.from(returned, (count) => count ?? 0);
}

function context(known: Context | undefined): { readonly context?: Context } {
  return known === undefined ? {} : { context: known };
}
