/** Weights of a new sample in mean and deviation, and of the deviation in the limit: those of TCP's retransmission timer (RFC 6298). */
const MEAN_SHARE = 1 / 8;
const DEVIATION_SHARE = 1 / 4;
const DEVIATIONS = 4;

export interface PulseLimits {
  /** Silence after a question that is never held against anybody. */
  readonly floorMs: number;
  /** Silence that always is. */
  readonly ceilingMs: number;
}

/** The same for a machine whose stalls are no fault of anybody: less silence than `floorMs` is never held against one. */
export function withFloor(limits: PulseLimits, floorMs = 0): PulseLimits {
  return {
    floorMs: Math.max(limits.floorMs, floorMs),
    ceilingMs: Math.max(limits.ceilingMs, floorMs),
  };
}

/**
 * What one party knows of whether another still answers. Anything that arrives is a sign of life.
 * A question (PING) opens a period; silence throughout it is a missed answer.
 *
 * The period is mean + 4 deviations of the delays observed so far, within bounds. Phi accrual would
 * estimate from the times between arrivals, which here are microseconds under load and a quarter
 * of a second without: two distributions that say nothing of each other. The delay of an answer
 * is one, and it is what a slow link, a slow disk or a busy core changes.
 */
export class Pulse {
  private readonly limits: PulseLimits;
  private mean = 0;
  private deviation = 0;
  heardMs: number;
  /** When the period began that runs now; 0: no question is open. */
  openMs = 0;
  /** The newest question. */
  askedMs = Number.NEGATIVE_INFINITY;
  missed = false;

  constructor(limits: PulseLimits, nowMs: number) {
    this.limits = limits;
    this.heardMs = nowMs;
  }

  /** The silence after a question that counts as a missed answer. */
  get limitMs(): number {
    const { floorMs, ceilingMs } = this.limits;
    return Math.min(ceilingMs, floorMs + this.mean + DEVIATIONS * this.deviation);
  }

  get open(): boolean {
    return this.openMs > 0;
  }

  /** When the open period ends without an answer. */
  get endMs(): number {
    return this.openMs === 0 || this.missed ? Number.POSITIVE_INFINITY : this.openMs + this.limitMs;
  }

  asked(nowMs: number): void {
    this.askedMs = nowMs;
    if (this.openMs === 0) this.openMs = nowMs;
  }

  heard(nowMs: number): void {
    this.heardMs = nowMs;
    if (this.openMs === 0) return;
    // An outage of minutes says little of the delay: a suspicion that was wrong about doubles the limit.
    const delay = Math.min(nowMs - this.openMs, this.limitMs);
    this.deviation += (Math.abs(delay - this.mean) - this.deviation) * DEVIATION_SHARE;
    this.mean += (delay - this.mean) * MEAN_SHARE;
    this.openMs = 0;
    this.missed = false;
  }

  /** Whether an answer is missed now. Stays true until something is heard. */
  judge(nowMs: number): boolean {
    if (nowMs >= this.endMs) this.missed = true;
    return this.missed;
  }

  /** The observer was away itself: what it did not hear meanwhile proves nothing. */
  grant(nowMs: number): void {
    if (this.openMs > 0 && !this.missed) this.openMs = nowMs;
  }

  /** Another thread serves there now, or none: nothing is known of it. */
  forget(nowMs: number): void {
    this.openMs = 0;
    this.missed = false;
    this.heardMs = nowMs;
  }
}
