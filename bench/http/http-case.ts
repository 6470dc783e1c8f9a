import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import autocannon from 'autocannon';
import { LatencyHistogram } from '../measure/histogram.js';
import { Random } from '../measure/random.js';
import { interleaved } from '../measure/statistics.js';
import { type Door, type DoorInput, DOORS } from './servers.js';

export const METHODS = ['GET', 'PUT'] as const;
const SAMPLE_MS = 50;
/** Each connection asks for so many keys in turns, drawn by itself: with one list for all they would ask for the same key at the same time. */
const KEYS_PER_CONNECTION = 200;

export interface HttpInput {
  readonly rounds: number;
  readonly valueBytes: number;
  readonly keys: number;
  readonly connections: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface HttpReport {
  readonly door: Door;
  readonly method: (typeof METHODS)[number];
  readonly perSecond: number;
  readonly errors: number;
  readonly histogram: string;
  /** Share of the time in which autocannon's event loop was busy. */
  readonly eventLoopUtilisation: number;
}

interface OpenedDoor {
  readonly door: Door;
  readonly address: string;
  readonly worker: Worker;
}

/**
 * All servers, each in a thread of its own, so that autocannon measures it and not itself waiting for its own turn.
 * They stay for all rounds, and only the first has a warm-up: a server that was just compiled has half of its rate,
 * the more code the less.
 */
export default async function httpCase(input: HttpInput): Promise<readonly HttpReport[]> {
  const opened: OpenedDoor[] = [];
  try {
    for (const door of DOORS) opened.push(await openInThread(door, input));
    for (const { address } of opened)
      for (const method of METHODS) await shoot(address, method, input, input.warmupSeconds, null);
    const reports: HttpReport[] = [];
    for (let round = 0; round < input.rounds; round++) {
      for (const { door, address } of interleaved(opened, round)) {
        for (const method of METHODS)
          reports.push({ door, method, ...(await measure(address, method, input)) });
      }
    }
    return reports;
  } finally {
    await Promise.all(opened.map(({ worker }) => worker.terminate()));
  }
}

async function openInThread(door: Door, { valueBytes, keys }: HttpInput): Promise<OpenedDoor> {
  const workerData: DoorInput = { door, valueBytes, keys };
  const worker = new Worker(new URL('./door-thread.js', import.meta.url), { workerData });
  const [address] = (await once(worker, 'message')) as [string];
  return { door, address, worker };
}

async function measure(
  address: string,
  method: HttpReport['method'],
  input: HttpInput,
): Promise<Omit<HttpReport, 'door' | 'method'>> {
  const histogram = new LatencyHistogram();
  const shot = await shoot(address, method, input, input.seconds, histogram);
  return { ...shot, histogram: histogram.encode() };
}

/**
 * No rate is set: with one, autocannon 9 corrects for coordinated omission by an interval of 1 ms
 * whatever the rate, and sends in bursts. Its own histogram counts whole milliseconds, so the time of
 * each response goes into ours.
 */
async function shoot(
  address: string,
  method: HttpReport['method'],
  { keys, valueBytes, connections, seed }: HttpInput,
  seconds: number,
  histogram: LatencyHistogram | null,
): Promise<Pick<HttpReport, 'perSecond' | 'errors' | 'eventLoopUtilisation'>> {
  const random = new Random(seed);
  const put = {
    body: Buffer.alloc(valueBytes, 'y'),
    headers: { 'content-type': 'application/octet-stream' },
  };
  const requests = (): autocannon.Request[] =>
    Array.from({ length: KEYS_PER_CONNECTION }, () => ({
      method,
      path: `/buckets/bench/keys/key-${random.below(keys)}`,
      ...(method === 'PUT' ? put : {}),
    }));
  let responses = 0;
  let failures = 0;
  // From the first response to the last: before and after it autocannon sets up its connections and ends them.
  let [firstMs, lastMs] = [0, 0];
  let before = performance.eventLoopUtilization();
  let busy = before;
  const { errors } = await new Promise<autocannon.Result>((resolve, reject) => {
    const options = {
      url: address,
      connections,
      duration: seconds,
      setupClient: (client: autocannon.Client) => client.setRequests(requests()),
      // How often it looks whether the time is over.
      sampleInt: SAMPLE_MS,
    };
    const instance = autocannon(options, (error: unknown, result) => {
      busy = performance.eventLoopUtilization(before);
      if (error) reject(error);
      else resolve(result);
    });
    instance.on('response', (_client, status, _bytes, responseMs) => {
      lastMs = performance.now();
      if (responses++ === 0) {
        firstMs = lastMs;
        before = performance.eventLoopUtilization();
      }
      if (status >= 400) failures++;
      // The first of each connection waits until autocannon has made the requests of all.
      if (responses > connections) histogram?.recordMs(responseMs);
    });
  });
  return {
    perSecond: lastMs > firstMs ? ((responses - 1) * 1_000) / (lastMs - firstMs) : 0,
    errors: failures + errors,
    eventLoopUtilisation: busy.utilization,
  };
}
