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
  /** Whether the engine's lag fell in both halves. In a window that is shorter than two teeth its peaks tell nothing. */
  readonly wholeTeeth: boolean;
}

export interface LagSample {
  readonly atMs: number;
  readonly lag: Lag;
}

const SAMPLE_MS = 50;
/** A checkpoint has moved what gathered: to this share of the peak before. */
const FALL = 0.75;

export function lagOf(stats: Pick<StoreStats, 'vnodes'>): Lag {
  return {
    journalRecords: sum(stats.vnodes.map((vnode) => vnode.appendedRecords - vnode.writtenRecords)),
    engineRecords: sum(stats.vnodes.map((vnode) => vnode.appendedRecords - vnode.engineRecords)),
  };
}

/** Samples the store's lag while a step runs, so that a rate that only fills a queue is seen. */
export class LagSampler {
  readonly #samples: LagSample[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(read: () => Lag) {
    this.#timer = setInterval(() => this.#samples.push({ atMs: nowMs(), lag: read() }), SAMPLE_MS);
  }

  /** See {@link compareHalves}. */
  stop(measuredFromMs: number): LagReport | null {
    clearInterval(this.#timer);
    return compareHalves(this.#samples.filter(({ atMs }) => atMs >= measuredFromMs));
  }
}

/**
 * Compares the two halves of a window; null without samples. The journal's lag is a queue: its
 * median counts. The engine's is a saw-tooth, for a checkpoint moves what has gathered: its peaks count.
 */
export function compareHalves(samples: readonly LagSample[]): LagReport | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return null;
  const halfMs = (first.atMs + last.atMs) / 2;
  const early = samples.filter(({ atMs }) => atMs < halfMs).map(({ lag }) => lag);
  const late = samples.filter(({ atMs }) => atMs >= halfMs).map(({ lag }) => lag);
  const before = early.length > 0 ? early : late;
  return { afterWarmup: summary(before), atEnd: summary(late), wholeTeeth: falls(before) && falls(late) };
}

function summary(lags: readonly Lag[]): Lag {
  return {
    journalRecords: median(lags.map(({ journalRecords }) => journalRecords)),
    engineRecords: Math.max(...lags.map(({ engineRecords }) => engineRecords)),
  };
}

function falls(lags: readonly Lag[]): boolean {
  let peak = 0;
  for (const { engineRecords } of lags) {
    if (engineRecords < peak * FALL) return true;
    peak = Math.max(peak, engineRecords);
  }
  return false;
}
