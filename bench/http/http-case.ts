import autocannon from 'autocannon';
import { LatencyHistogram } from '../measure/histogram.js';
import { Random } from '../measure/random.js';
import type { Door } from './servers.js';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';

const SAMPLE_MS = 50;
/** Each connection asks for so many keys in turns, drawn by itself: with one list for all they would ask for the same key at the same time. */
const KEYS_PER_CONNECTION = 200;

export interface HttpInput {
  readonly door: Door;
  readonly valueBytes: number;
  readonly keys: number;
  readonly connections: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface HttpReport {
  readonly method: 'GET' | 'PUT';
  readonly perSecond: number;
  readonly errors: number;
  readonly histogram: string;
  /** Share of the time in which autocannon's event loop was busy. */
  readonly eventLoopUtilisation: number;
}

/** The server in a thread of its own, so that autocannon measures it and not itself waiting for its own turn. */
export default async function httpCase(input: HttpInput): Promise<readonly HttpReport[]> {
  const worker = new Worker(new URL('./door-thread.js', import.meta.url), { workerData: input });
  const [address] = (await once(worker, 'message')) as [string];
  try {
    const reports: HttpReport[] = [];
    for (const method of ['GET', 'PUT'] as const) reports.push(await measure(address, method, input));
    return reports;
  } finally {
    await worker.terminate();
  }
}

/**
 * No rate is set: with one, autocannon 9 corrects for coordinated omission by an interval of 1 ms
 * whatever the rate, and sends in bursts. Its own histogram counts whole milliseconds, so the time of
 * each response goes into ours.
 */
async function measure(address: string, method: 'GET' | 'PUT', input: HttpInput): Promise<HttpReport> {
  const { keys, valueBytes, connections } = input;
  const random = new Random(input.seed);
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
  const shoot = async (
    seconds: number,
    histogram: LatencyHistogram | null,
  ): Promise<Omit<HttpReport, 'histogram' | 'method'>> => {
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
        histogram?.recordMs(responseMs);
      });
    });
    return {
      perSecond: lastMs > firstMs ? ((responses - 1) * 1_000) / (lastMs - firstMs) : 0,
      errors: failures + errors,
      eventLoopUtilisation: busy.utilization,
    };
  };
  await shoot(input.warmupSeconds, null);
  const histogram = new LatencyHistogram();
  const shot = await shoot(input.seconds, histogram);
  return { method, ...shot, histogram: histogram.encode() };
}
