/** The next frame of a caller that looks for its answers is there by then, when a core is free. */
const PATIENCE_MS = 0.05;
/** Hits are worth one, misses cost two; above zero it pays. */
const MOST_CREDIT = 16;
const MISS = 2;
/** How often it is tried all the same, to see whether it pays again. */
const PROBE_EVERY = 64;

/**
 * Whether a virtual node should look for the next frame for a moment before it goes to sleep
 * (lookout.ts): sleeping costs a wake-up, several times what a short request itself takes; looking costs a
 * core. It learns from its hits and misses: it stops by itself where the next frame does not come in time.
 */
export class Patience {
  private credit = MOST_CREDIT;
  private sinceProbe = 0;
  private untilMs = 0;

  /** Begins a wait; false: sleep at once. */
  begin(nowMs: number): boolean {
    this.untilMs = 0;
    if (this.credit <= 0 && ++this.sinceProbe < PROBE_EVERY) return false;
    this.sinceProbe = 0;
    this.untilMs = nowMs + PATIENCE_MS;
    return true;
  }

  /** Nothing is there yet: whether to look again. */
  goOn(nowMs: number): boolean {
    if (nowMs < this.untilMs) return true;
    if (this.untilMs > 0) this.credit = Math.max(-MISS, this.credit - MISS);
    this.untilMs = 0;
    return false;
  }

  /** Looking ends for another reason, which says nothing of whether it pays. */
  drop(): void {
    this.untilMs = 0;
  }

  /** Something is there. */
  hit(): void {
    if (this.untilMs > 0) this.credit = Math.min(MOST_CREDIT, this.credit + 1);
    this.untilMs = 0;
  }
}
