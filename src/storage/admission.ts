import { LIMITS } from '../base/limits.js';
import { LatencyWindow } from './latency-window.js';

/** Background work, each kind with a turn of its own. */
export type Work = 'engine' | 'handoff' | 'trees' | 'scrub' | 'walk' | 'expiry' | 'reaping' | 'backup';

/** A kind that was refused and does not ask again for so long has nothing to do any more. */
const FORGOTTEN_MS = 200;

/**
 * The admission controller of the paper (§6.5): background work of a virtual node runs in slices,
 * and how much of the thread's time they get depends on how the foreground fares.
 *
 * Inputs are queue waits (how long the turn lasted in which a request was waiting) and how long
 * buffered puts took that this virtual node coordinated, so that busy peers count too. Once per
 * window their p99 is compared with the target: above it the share of background work is halved,
 * below it grows by a quarter. It never falls below a floor, or hints would wait for ever, and it is
 * whole while nobody asks for anything.
 *
 * A slice that took d milliseconds is followed by a rest of d·(1/share − 1), in which requests are
 * served. Of several kinds that wait the one goes first that waits longest.
 */
export class Admission {
  private readonly nowMs: () => number;
  private readonly targetMs: number;
  private readonly window = new LatencyWindow();
  private readonly waiting = new Map<Work, { readonly sinceMs: number; askedMs: number }>();
  private windowEndMs = 0;
  private current = 1;
  private restUntilMs = 0;
  private lastP99Ms = 0;
  private granted = 0;
  private held = 0;

  /** @param nowMs monotonic; measures the slices */
  constructor(nowMs: () => number, targetMs: number = LIMITS.foregroundP99Ms) {
    this.nowMs = nowMs;
    this.targetMs = targetMs;
  }

  /** Of the thread's time, for background work: above 0, at most 1. */
  get share(): number {
    return this.current;
  }
  /** When the next slice may go; a service that was refused asks again then. */
  get nextMs(): number {
    return this.restUntilMs;
  }
  /** Of the last window with requests in it. */
  get foregroundP99Ms(): number {
    return this.lastP99Ms;
  }
  get slices(): number {
    return this.granted;
  }
  /** How often a slice was asked for in vain. */
  get refusals(): number {
    return this.held;
  }

  /** A request waited, or took, so long. */
  waited(ms: number): void {
    this.window.add(ms);
  }

  /** Closes windows that are over: to be called once per turn. */
  turn(nowMs: number): void {
    if (nowMs < this.windowEndMs) return;
    this.windowEndMs = nowMs + LIMITS.admissionWindowMs;
    if (this.window.empty) {
      this.current = 1;
      return;
    }
    this.lastP99Ms = this.window.quantile(0.99);
    this.window.clear();
    const grown = this.lastP99Ms > this.targetMs ? this.current / 2 : this.current * 1.25;
    this.current = Math.min(1, Math.max(LIMITS.backgroundShare, grown));
  }

  /** Runs a slice if it is time for one, and this work's turn; else says no, and changes nothing. */
  slice(work: Work, nowMs: number, run: () => void): boolean {
    if (this.targetMs === Number.POSITIVE_INFINITY) {
      this.granted++;
      run();
      return true;
    }
    if (nowMs < this.restUntilMs || !this.isNext(work, nowMs)) {
      this.note(work, nowMs);
      return false;
    }
    this.waiting.delete(work);
    this.granted++;
    const beginMs = this.nowMs();
    run();
    this.restUntilMs = beginMs + (this.nowMs() - beginMs) / this.current;
    return true;
  }

  private isNext(work: Work, nowMs: number): boolean {
    const mine = this.waiting.get(work)?.sinceMs ?? nowMs;
    for (const [other, { sinceMs, askedMs }] of this.waiting) {
      if (nowMs - askedMs > FORGOTTEN_MS) this.waiting.delete(other);
      else if (other !== work && sinceMs < mine) return false;
    }
    return true;
  }

  private note(work: Work, nowMs: number): void {
    this.held++;
    const known = this.waiting.get(work);
    if (known === undefined) this.waiting.set(work, { sinceMs: nowMs, askedMs: nowMs });
    else known.askedMs = nowMs;
  }
}
