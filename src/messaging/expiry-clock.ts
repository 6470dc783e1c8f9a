import { STORE_EXPIRY_CLOCK } from './layout.js';

/**
 * The time by which values expire: the time of day, but it never goes back while the process lives,
 * and whoever finds a value's time to be over says so to all other threads. So a value that was once
 * not returned is not returned later, whatever somebody does to the time of day.
 */
export class ExpiryClock {
  private readonly word: BigInt64Array;
  private readonly wallMs: () => number;

  constructor(control: SharedArrayBuffer, wallMs: () => number) {
    this.word = new BigInt64Array(control, STORE_EXPIRY_CLOCK * 4, 1);
    this.wallMs = wallMs;
  }

  /** In wall milliseconds. */
  nowMs(): number {
    const wall = Math.floor(this.wallMs());
    const seen = Number(Atomics.load(this.word, 0));
    return wall > seen ? wall : seen;
  }

  /** Nobody sees an earlier time any more. */
  raise(timeMs: number): void {
    const wanted = BigInt(timeMs);
    for (let seen = Atomics.load(this.word, 0); seen < wanted;) {
      const found = Atomics.compareExchange(this.word, 0, seen, wanted);
      if (found === seen) return;
      seen = found;
    }
  }

  /** Whether a time is over; then it stays so. */
  isOver(timeMs: number): boolean {
    const nowMs = this.nowMs();
    if (timeMs > nowMs) return false;
    this.raise(nowMs);
    return true;
  }
}
