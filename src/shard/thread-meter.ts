import { GCProfiler } from 'node:v8';
import { SharedLayout, VNODE_COUNTERS } from '../messaging/layout.js';
import { loadCounter, storeCounter } from '../storage/buffer-layout.js';
import { COUNT_GC_US, COUNT_GCS, GAUGE_LONGEST_TURN_US } from './environment.js';
import type { VnodeTask } from './worker-protocol.js';

/** How long the longest turn is remembered: somewhat longer than collectors of metrics wait. */
const WINDOW_MS = 20_000;
const GC_MS = 1_000;

/**
 * What a virtual node's thread loses to long turns and to garbage collection, for whoever looks from
 * outside. The profiler is asked and not subscribed to: a thread that sleeps on its doorbell has no
 * event loop for subscriptions.
 */
export class ThreadMeter {
  private readonly control: Int32Array;
  private readonly base: number;
  private profiler = new GCProfiler();
  private collectMs = 0;
  private windowMs = 0;
  private longest = 0;
  private longestBefore = 0;

  constructor({ shared, ordinal }: Pick<VnodeTask, 'shared' | 'ordinal'>) {
    this.control = new Int32Array(shared.control);
    this.base = new SharedLayout(shared.shape).vnodeWord(ordinal) + VNODE_COUNTERS;
    this.profiler.start();
  }

  /** A turn ended: everything else has waited for so long. */
  turned(tookMs: number, nowMs: number): void {
    if (tookMs > this.longest) this.longest = tookMs;
    if (nowMs < this.collectMs) return;
    this.collectMs = nowMs + GC_MS;
    this.collect(nowMs);
  }

  private collect(nowMs: number): void {
    const { control, base } = this;
    if (nowMs >= this.windowMs) {
      this.windowMs = nowMs + WINDOW_MS;
      this.longestBefore = this.longest;
      this.longest = 0;
    }
    Atomics.store(
      control,
      base + GAUGE_LONGEST_TURN_US,
      Math.round(Math.max(this.longest, this.longestBefore) * 1000),
    );
    const { statistics } = this.profiler.stop();
    this.profiler = new GCProfiler();
    this.profiler.start();
    if (statistics.length === 0) return;
    const us = statistics.reduce((sum, { cost }) => sum + cost, 0);
    const add = (word: number, by: number): void =>
      storeCounter(control, base + word, loadCounter(control, base + word) + by);
    add(COUNT_GCS, statistics.length);
    add(COUNT_GC_US, Math.round(us));
  }
}
