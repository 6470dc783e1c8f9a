import { nowMs, sleep } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import type { Bucket, FaultControl, HostStore } from '../../src/index.js';

export interface QuorumInput {
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly seconds: number;
  /** Between nodes, one way, so that copies take a while to arrive, as they do over a network. */
  readonly delayMs: number;
  readonly seed: number;
}

export interface QuorumReport {
  readonly gets: number;
  readonly stale: number;
  readonly mostVersionsBehind: number;
  /** How long the newest version had been acknowledged when a get that returned an older one began, ms. */
  readonly oldestMs: number;
  /** Shares of requests that succeeded while one node was down; strict: only owners count. */
  readonly available: Readonly<Record<'get' | 'put' | 'strictGet' | 'strictPut', number>>;
}

const NODES = 4;
const KEYS = 50;
const READERS = 4;
const REQUESTS = 150;
const REQUEST_TIMEOUT_MS = 400;

/** What no clock of several machines could tell: exactly how old what a get returned was. */
export default async function quorumCase(input: QuorumInput): Promise<QuorumReport> {
  const { open } = await import('../../src/index.js');
  const store = await open({ engine: 'memory', nodes: NODES, allowFaults: true });
  const { n, r, w } = input;
  const bucket = store.bucket('quorum', { n, r, w, conflict: 'lww' });
  try {
    delayLinks(store.faults, input.delayMs);
    const staleness = await measureStaleness(bucket, input);
    store.faults.clear();
    return { ...staleness, available: await measureAvailability(store, bucket) };
  } finally {
    store.faults.clear();
    await store.close();
  }
}

function delayLinks(faults: FaultControl, delayMs: number): void {
  for (let from = 1; from <= NODES; from++) {
    for (let to = from + 1; to <= NODES; to++) {
      faults.inject({ kind: 'link', from: `n${from}`, to: `n${to}`, delayMs, jitterMs: delayMs });
    }
  }
}

interface KeyState {
  version: number;
  /** The newest acknowledged version, and when each was acknowledged. */
  acknowledged: number;
  readonly acknowledgedAtMs: number[];
}

async function measureStaleness(
  bucket: Bucket,
  { seconds, seed }: QuorumInput,
): Promise<Omit<QuorumReport, 'available'>> {
  const states = Array.from({ length: KEYS }, (): KeyState => ({
    version: 0,
    acknowledged: 0,
    acknowledgedAtMs: [0],
  }));
  const untilMs = nowMs() + seconds * 1_000;
  const report = { gets: 0, stale: 0, mostVersionsBehind: 0, oldestMs: 0 };
  // One writer per key: its versions are in the order of their acknowledgement.
  const writer = async (state: KeyState, key: number): Promise<void> => {
    while (nowMs() < untilMs) {
      await bucket.put(`key-${key}`, String(++state.version));
      state.acknowledged = state.version;
      state.acknowledgedAtMs[state.version] = nowMs();
      await sleep(2);
    }
  };
  const reader = async (_: unknown, stream: number): Promise<void> => {
    const random = new Random(seed, stream);
    while (nowMs() < untilMs) {
      const key = random.below(KEYS);
      const { acknowledged, acknowledgedAtMs } = states[key]!;
      const beganMs = nowMs();
      const { value } = await bucket.get(`key-${key}`);
      const got = value === undefined ? 0 : Number(Buffer.from(value).toString());
      report.gets++;
      if (got < acknowledged) {
        report.stale++;
        report.mostVersionsBehind = Math.max(report.mostVersionsBehind, acknowledged - got);
        report.oldestMs = Math.max(report.oldestMs, beganMs - acknowledgedAtMs[got + 1]!);
      }
      // Immediate answers would starve the writers.
      await new Promise(setImmediate);
    }
  };
  await Promise.all([...states.map(writer), ...Array.from({ length: READERS }, reader)]);
  return report;
}

async function measureAvailability(store: HostStore, bucket: Bucket): Promise<QuorumReport['available']> {
  store.faults.inject({ kind: 'stop', at: 'n1', forMs: 60_000 });
  while (store.stats().vnodes[0]!.state === 'serving') await sleep(1);
  const share = async (request: (key: string) => Promise<unknown>): Promise<number> => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: REQUESTS }, (_, i) => request(`key-${i % KEYS}`)),
    );
    return outcomes.filter(({ status }) => status === 'fulfilled').length / REQUESTS;
  };
  const timeoutMs = REQUEST_TIMEOUT_MS;
  return {
    get: await share((key) => bucket.get(key, { timeoutMs })),
    put: await share((key) => bucket.put(key, 'value', { timeoutMs })),
    strictGet: await share((key) => bucket.get(key, { timeoutMs, strict: true })),
    strictPut: await share((key) => bucket.put(key, 'value', { timeoutMs, strict: true })),
  };
}
