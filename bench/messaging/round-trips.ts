import type { Link } from './link.js';
import { openPortLink } from './port-link.js';
import { openRingLink } from './ring-link.js';
import { nowMs } from '../measure/clock.js';
import { LatencyHistogram } from '../measure/histogram.js';
import { sum } from '../measure/statistics.js';

export interface RoundTripsInput {
  readonly transport: 'ring' | 'port';
  readonly points: readonly { readonly bytes: number; readonly inFlight: number; readonly threads: number }[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface RoundTripsReport {
  readonly perSecond: number;
  readonly histogram: string;
}

/** Runs in a process of its own; one thread that sends, and so many that send back. */
export default async function roundTrips(input: RoundTripsInput): Promise<readonly RoundTripsReport[]> {
  const reports: RoundTripsReport[] = [];
  for (const { bytes, inFlight, threads } of input.points) {
    const open = input.transport === 'ring' ? openRingLink : openPortLink;
    const links = await Promise.all(Array.from({ length: threads }, () => open(bytes)));
    try {
      reports.push(together(await Promise.all(links.map((link) => measure(link, inFlight, input)))));
    } finally {
      await Promise.all(links.map((link) => link.close()));
    }
  }
  return reports;
}

function together(reports: readonly RoundTripsReport[]): RoundTripsReport {
  return {
    perSecond: sum(reports.map(({ perSecond }) => perSecond)),
    histogram: LatencyHistogram.merge(reports.map(({ histogram }) => histogram)).encode(),
  };
}

/** Replies come in order of sending, so a queue of send times is enough; an id out of order is a fault. */
function measure(link: Link, inFlight: number, input: RoundTripsInput): Promise<RoundTripsReport> {
  const sentMs = new Float64Array(inFlight);
  const histogram = new LatencyHistogram();
  const fromMs = nowMs() + input.warmupSeconds * 1_000;
  const untilMs = fromMs + input.seconds * 1_000;
  let nextId = 0;
  let expected = 0;
  let measured = 0;
  const send = (atMs: number): void => {
    sentMs[nextId % inFlight] = atMs;
    link.send(nextId++);
  };
  return new Promise((resolve, reject) => {
    link.start((id) => {
      if (id !== expected) {
        reject(new Error(`reply ${id} came instead of ${expected}`));
        return;
      }
      expected++;
      const now = nowMs();
      if (now >= fromMs) {
        measured++;
        histogram.recordMs(now - sentMs[id % inFlight]!);
      }
      if (now < untilMs) send(now);
      else resolve({ perSecond: (measured * 1_000) / (now - fromMs), histogram: histogram.encode() });
    });
    for (let i = 0; i < inFlight; i++) send(nowMs());
    link.flush();
  });
}
