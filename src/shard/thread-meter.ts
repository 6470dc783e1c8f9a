import { PerformanceObserver } from 'node:perf_hooks';
import { SharedLayout, VNODE_COUNTERS } from '../messaging/layout.js';
import { loadCounter, storeCounter } from '../storage/buffer-layout.js';
import { COUNT_GC_US, COUNT_GCS, GAUGE_LONGEST_TURN_US } from './environment.js';
import type { VnodeTask } from './worker-protocol.js';

/** How long the longest turn is remembered: somewhat longer than collectors of metrics wait. */
const WINDOW_MS = 20_000;
const PUBLISH_MS = 1_000;

/**
 * What a virtual node's thread loses to long turns and to garbage collection, for whoever looks from
 * outside. Collections are heard of on the event loop, which a thread that sleeps on its doorbell must let
 * turn for that: what V8's profiler writes down of each instead (`GCProfiler`) stays until a full collection,
 * and a thread that makes little garbage has none for hours.
 */
export class ThreadMeter {
  private readonly control: Int32Array;
  private readonly base: number;
  private readonly observer: PerformanceObserver;
  private publishMs = 0;
  private windowMs = 0;
  private longest = 0;
  private longestBefore = 0;

  constructor({ shared, ordinal }: Pick<VnodeTask, 'shared' | 'ordinal'>) {
    this.control = new Int32Array(shared.control);
    this.base = new SharedLayout(shared.shape).vnodeWord(ordinal) + VNODE_COUNTERS;
    this.observer = new PerformanceObserver((list) => {
      const collections = list.getEntries();
      this.add(COUNT_GCS, collections.length);
      this.add(COUNT_GC_US, Math.round(1_000 * collections.reduce((sum, { duration }) => sum + duration, 0)));
    });
    this.observer.observe({ entryTypes: ['gc'] });
  }

  /** A turn ended: everything else has waited for so long. True once a second: the event loop is to turn. */
  turned(tookMs: number, nowMs: number): boolean {
    if (tookMs > this.longest) this.longest = tookMs;
    if (nowMs < this.publishMs) return false;
    this.publishMs = nowMs + PUBLISH_MS;
    if (nowMs >= this.windowMs) {
      this.windowMs = nowMs + WINDOW_MS;
      this.longestBefore = this.longest;
      this.longest = 0;
    }
    const longestUs = Math.round(Math.max(this.longest, this.longestBefore) * 1_000);
    Atomics.store(this.control, this.base + GAUGE_LONGEST_TURN_US, longestUs);
    return true;
  }

  private add(counter: number, by: number): void {
    const word = this.base + counter;
    storeCounter(this.control, word, loadCounter(this.control, word) + by);
  }
}
