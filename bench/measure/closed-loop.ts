import { performance } from 'node:perf_hooks';
import { nowMs } from './clock.js';
import { LatencyHistogram } from './histogram.js';
import type { LoopReport, Operation } from './loop.js';
import type { Workload } from './workload.js';
import { expectValue, type Target } from '../targets/target.js';

export interface ClosedLoopSpec {
  readonly op: Operation;
  readonly inFlight: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly valueBytes: number;
}

/** The clock is read once per so many operations where they are not timed one by one, and so many take about so long at most. */
const LARGEST_BATCH = 32;
const BATCH_MS = 1;

/**
 * As many operations as possible with a fixed number in flight; one each at least, however short the window
 * was for a machine that stood still.
 *
 * One in flight: half of the window runs untimed and gives the rate, the other half times each
 * operation and gives the latencies, so that reading the clock (about 0.1 µs per operation) does
 * not lower the rate of a direct read. More in flight: each operation is timed throughout.
 */
export async function runClosedLoop(
  target: Target,
  workload: Workload,
  spec: ClosedLoopSpec,
): Promise<LoopReport> {
  const loop = new ClosedLoop(target, workload, spec);
  if (spec.warmupSeconds > 0) await loop.untimed(nowMs() + spec.warmupSeconds * 1_000);
  const elu = performance.eventLoopUtilization();
  const beganMs = nowMs();
  const histogram = new LatencyHistogram();
  let rate: Rate;
  if (spec.inFlight === 1) {
    rate = await loop.untimed(beganMs + spec.seconds * 500);
    await loop.timed(nowMs() + spec.seconds * 500, histogram);
  } else {
    rate = await loop.timed(beganMs + spec.seconds * 1_000, histogram);
  }
  return {
    operations: [
      {
        op: spec.op,
        completed: rate.operations,
        failed: 0,
        opsPerSecond: rate.operations / rate.seconds,
        histogram: histogram.encode(),
      },
    ],
    fromMs: beganMs,
    seconds: (nowMs() - beganMs) / 1_000,
    eventLoopUtilisation: performance.eventLoopUtilization(elu).utilization,
    lateness: null,
    unfinished: 0,
  };
}

interface Rate {
  readonly operations: number;
  readonly seconds: number;
}

class ClosedLoop {
  readonly #target: Target;
  readonly #spec: ClosedLoopSpec;
  readonly #issue: () => unknown;
  readonly #accept: (result: unknown) => void;

  constructor(target: Target, workload: Workload, spec: ClosedLoopSpec) {
    this.#target = target;
    this.#spec = spec;
    if (spec.op === 'get') {
      this.#issue = () => target.get(workload.key());
      this.#accept = (result) => expectValue(target, result, spec.valueBytes);
    } else {
      this.#issue = () => target.put(workload.key(), workload.value());
      this.#accept = () => undefined;
    }
  }

  untimed(untilMs: number): Promise<Rate> {
    return this.#lanes(async () => {
      let operations = 0;
      // Slow operations would prolong a short window: 32 puts of 1 MiB take seconds.
      let batch = 1;
      let now = nowMs();
      do {
        for (let i = 0; i < batch; i++) {
          const result = this.#issue();
          this.#accept(this.#synchronous ? result : await result);
        }
        operations += batch;
        const before = now;
        now = nowMs();
        batch = now - before < BATCH_MS ? Math.min(LARGEST_BATCH, 2 * batch) : Math.max(1, batch >> 1);
      } while (now < untilMs);
      return operations;
    });
  }

  timed(untilMs: number, histogram: LatencyHistogram): Promise<Rate> {
    return this.#lanes(async () => {
      let operations = 0;
      for (let sentMs = nowMs(); operations === 0 || sentMs < untilMs; sentMs = nowMs()) {
        const pending = this.#issue();
        const result = this.#synchronous ? pending : await pending;
        histogram.recordMs(nowMs() - sentMs);
        this.#accept(result);
        operations++;
      }
      return operations;
    });
  }

  async #lanes(lane: () => Promise<number>): Promise<Rate> {
    const beganMs = nowMs();
    const counts = await Promise.all(Array.from({ length: this.#spec.inFlight }, lane));
    return {
      operations: counts.reduce((total, count) => total + count, 0),
      seconds: (nowMs() - beganMs) / 1_000,
    };
  }

  get #synchronous(): boolean {
    return this.#target.synchronous[this.#spec.op];
  }
}
