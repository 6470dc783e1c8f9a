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
/** Each end of the window is the median of the samples in this long a stretch. */
const STRETCH_MS = 1_000;

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

  /** Compares the first stretch after the warm-up with the last one; null without samples. */
  stop(measuredFromMs: number): LagReport | null {
    clearInterval(this.#timer);
    const measured = this.#samples.filter(({ atMs }) => atMs >= measuredFromMs);
    const last = measured.at(-1);
    if (last === undefined) return null;
    const stretchMs = Math.min(STRETCH_MS, (last.atMs - measuredFromMs) / 3);
    const middle = (lags: readonly Lag[]): Lag => ({
      journalRecords: median(lags.map((lag) => lag.journalRecords)),
      engineRecords: median(lags.map((lag) => lag.engineRecords)),
    });
    const lagsWhere = (keep: (atMs: number) => boolean): Lag[] =>
      measured.filter(({ atMs }) => keep(atMs)).map(({ lag }) => lag);
    const head = lagsWhere((atMs) => atMs <= measuredFromMs + stretchMs);
    return {
      afterWarmup: middle(head.length > 0 ? head : [measured[0]!.lag]),
      atEnd: middle(lagsWhere((atMs) => atMs >= last.atMs - stretchMs)),
    };
  }
}
