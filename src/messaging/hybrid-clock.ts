import { TICKS_PER_MS } from '../base/time.js';
import { STORE_CLOCK } from './layout.js';

/**
 * One hybrid logical clock for the process: never goes back, and each tick is unique, whichever
 * thread takes it. Follows the time of day as long as that moves forward.
 */
export class HybridClock {
  private readonly word: BigInt64Array;
  private readonly wallMs: () => number;

  constructor(control: SharedArrayBuffer, wallMs: () => number) {
    this.word = new BigInt64Array(control, STORE_CLOCK * 4, 1);
    this.wallMs = wallMs;
  }

  /** A time greater than every one that was taken or observed before. */
  tick(): number {
    const wall = BigInt(Math.floor(this.wallMs()) * TICKS_PER_MS);
    for (let seen = Atomics.load(this.word, 0); ;) {
      const next = wall > seen ? wall : seen + 1n;
      const found = Atomics.compareExchange(this.word, 0, seen, next);
      if (found === seen) return Number(next);
      seen = found;
    }
  }

  /** The last time that was taken or observed; 0 if there is none. */
  last(): number {
    return Number(Atomics.load(this.word, 0));
  }

  /** Makes sure that later ticks are greater than a time found in storage. */
  observe(time: number): void {
    const wanted = BigInt(Math.floor(time));
    for (let seen = Atomics.load(this.word, 0); seen < wanted;) {
      const found = Atomics.compareExchange(this.word, 0, seen, wanted);
      if (found === seen) return;
      seen = found;
    }
  }
}
