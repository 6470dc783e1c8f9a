import { RingletError } from '../base/errors.js';
import type { Incarnation } from './incarnation.js';

/** Terminates threads that do not even sleep and wake: their heartbeats stand still. */
export class HungThreads {
  private readonly hungMs: number;
  private readonly watchMs: number;
  private readonly beatOf: (ordinal: number) => number;
  private readonly beats = new Map<number, { beat: number; sinceMs: number }>();
  private lastWatchMs = performance.now();

  /** @param watchMs how often it is going to look */
  constructor(hungMs: number, watchMs: number, beatOf: (ordinal: number) => number) {
    this.hungMs = hungMs;
    this.watchMs = watchMs;
    this.beatOf = beatOf;
  }

  /** When the timer behind this was late itself, the whole process was away: everybody has a new period. */
  look(threads: ReadonlyMap<number, Incarnation>): void {
    const nowMs = performance.now();
    const late = nowMs - this.lastWatchMs > 2 * this.watchMs;
    this.lastWatchMs = nowMs;
    threads.forEach((incarnation, ordinal) => {
      const beat = this.beatOf(ordinal);
      const known = this.beats.get(ordinal);
      if (known === undefined || known.beat !== beat || late || !incarnation.isReady) {
        this.beats.set(ordinal, { beat, sinceMs: nowMs });
      } else if (nowMs - known.sinceMs > this.hungMs) {
        incarnation.error = new RingletError('INTERNAL', 'the virtual node hung and was terminated', {
          hungMs: this.hungMs,
        });
        incarnation.terminate();
        this.beats.delete(ordinal);
      }
    });
  }
}
