import autocannon from 'autocannon';
import { LatencyHistogram } from '../measure/histogram.js';
import type { Door } from './servers.js';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';

const SAMPLE_MS = 50;

export interface HttpInput {
  readonly door: Door;
  readonly valueBytes: number;
  readonly keys: number;
  readonly connections: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface HttpReport {
  readonly method: 'GET' | 'PUT';
  readonly perSecond: number;
  readonly errors: number;
  readonly histogram: string;
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
  const requests = Array.from({ length: keys }, (_, key) => ({
    method,
    path: `/buckets/bench/keys/key-${key}`,
    ...(method === 'PUT'
      ? { body: Buffer.alloc(valueBytes, 'y'), headers: { 'content-type': 'application/octet-stream' } }
      : {}),
  }));
  const shoot = async (
    seconds: number,
    histogram: LatencyHistogram | null,
  ): Promise<Omit<HttpReport, 'histogram' | 'method'>> => {
    let responses = 0;
    let failures = 0;
    const beganMs = performance.now();
    const { errors } = await new Promise<autocannon.Result>((resolve, reject) => {
      const options = {
        url: address,
        connections,
        duration: seconds,
        requests,
        // How often it looks whether the time is over.
        sampleInt: SAMPLE_MS,
      };
      const instance = autocannon(options, (error: unknown, result) => {
        if (error) reject(error);
        else resolve(result);
      });
      instance.on('response', (_client, status, _bytes, responseMs) => {
        responses++;
        if (status >= 400) failures++;
        histogram?.recordMs(responseMs);
      });
    });
    const took = (performance.now() - beganMs) / 1_000;
    return { perSecond: responses / took, errors: failures + errors };
  };
  await shoot(input.warmupSeconds, null);
  const histogram = new LatencyHistogram();
  const { perSecond, errors } = await shoot(input.seconds, histogram);
  return { method, perSecond, errors, histogram: histogram.encode() };
}
