import { nowMs } from './clock.js';
import { median, sum } from './statistics.js';
import type { StoreStats } from '../../src/index.js';

/** Records that are acknowledged and not yet in the journal, or not yet in the engine. */
export interface Lag {
  readonly journalRecords: number;
  readonly engineRecords: number;
}

export interface LagReport {
  readonly afterWarmup: Lag;
  readonly atEnd: Lag;
}

const SAMPLE_MS = 50;

export function lagOf(stats: Pick<StoreStats, 'vnodes'>): Lag {
  return {
    journalRecords: sum(stats.vnodes.map((vnode) => vnode.appendedRecords - vnode.writtenRecords)),
    engineRecords: sum(stats.vnodes.map((vnode) => vnode.appendedRecords - vnode.engineRecords)),
  };
}

/** Samples the store's lag while a step runs, so that a rate that only fills a queue is seen. */
export class LagSampler {
  readonly #samples: { readonly atMs: number; readonly lag: Lag }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(read: () => Lag) {
    this.#timer = setInterval(() => this.#samples.push({ atMs: nowMs(), lag: read() }), SAMPLE_MS);
  }

  /**
   * Compares the two halves of the window; null without samples. The journal's lag is a queue: its
   * median counts. The engine's is a saw-tooth, for a checkpoint moves what has gathered: its peaks count.
   */
  stop(measuredFromMs: number): LagReport | null {
    clearInterval(this.#timer);
    const measured = this.#samples.filter(({ atMs }) => atMs >= measuredFromMs);
    const last = measured.at(-1);
    if (last === undefined) return null;
    const halfMs = (measuredFromMs + last.atMs) / 2;
    const half = (keep: (atMs: number) => boolean): Lag => {
      const lags = measured.filter(({ atMs }) => keep(atMs)).map(({ lag }) => lag);
      const chosen = lags.length > 0 ? lags : [last.lag];
      return {
        journalRecords: median(chosen.map((lag) => lag.journalRecords)),
        engineRecords: Math.max(...chosen.map((lag) => lag.engineRecords)),
      };
    };
    return {
      afterWarmup: half((atMs) => atMs < halfMs),
      atEnd: half((atMs) => atMs >= halfMs),
    };
  }
}
