import type { RingletError } from '../base/errors.js';

/** A thread that ends so often within such a time does so because of what it has stored. */
const HOPELESS_ENDS = 8;
const WINDOW_MS = 300_000;

/** How often the threads of each virtual node have ended lately. */
export class Endings {
  private readonly recent = new Map<number, number[]>();

  /** Counts one; why its data counts as damaged, once there are too many. */
  hopeless(
    ordinal: number,
    error: RingletError | undefined,
    nowMs: number,
    most = HOPELESS_ENDS,
  ): string | undefined {
    // On a disk that is full or fails a fresh directory is no better.
    if (error?.code === 'STORE_FULL' || error?.code === 'IO') return undefined;
    const ends = (this.recent.get(ordinal) ?? []).filter((endMs) => nowMs - endMs < WINDOW_MS);
    ends.push(nowMs);
    this.recent.set(ordinal, ends.length < most ? ends : []);
    if (ends.length < most) return undefined;
    return `its thread ended ${ends.length} times within ${WINDOW_MS / 60_000} minutes, at last with: ${error?.message ?? 'nothing said'}`;
  }
}
