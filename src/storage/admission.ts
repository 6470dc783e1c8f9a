import { LIMITS } from '../base/limits.js';
import { LatencyWindow } from './latency-window.js';

/** Background work, each kind with a turn of its own. */
export type Work =
  | 'engine'
  | 'handoff'
  | 'trees'
  | 'copies'
  | 'scrub'
  | 'walk'
  | 'expiry'
  | 'reaping'
  | 'backup';

/** A kind that was refused and does not ask again for so long has nothing to do any more. */
const FORGOTTEN_MS = 200;
/** Steps of a slice, where no clock ends it. */
const MOST_STEPS = 64;

/** A little of some work. True if there is more of it to do at once. */
export type WorkStep = () => boolean;

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
 * Work is done in small steps. A slice ends with the first step after LIMITS.sliceMs, which is what a
 * request waits at most; one that took d milliseconds is followed by a rest of d·(1/share − 1), in
 * which requests are served. Of several kinds that wait the one goes first that waits longest. What
 * cannot wait, such as the answer to a peer's question, is {@link spend}t at once and rested for.
 *
 * With an infinite target nothing waits: steps run whenever somebody asks, without a rest.
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

  /**
   * @param nowMs monotonic; measures the slices
   * @param targetMs p99 that the foreground shall keep; infinite: nothing is held back
   */
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
  slice(work: Work, nowMs: number, step: WorkStep): boolean {
    if (nowMs < this.restUntilMs || !this.isNext(work, nowMs)) {
      this.note(work, nowMs);
      return false;
    }
    this.waiting.delete(work);
    this.granted++;
    this.spend(() => {
      const untilMs = this.nowMs() + LIMITS.sliceMs;
      for (let steps = 1; step() && steps < MOST_STEPS && this.nowMs() < untilMs; steps++);
    });
    return true;
  }

  /** Runs what cannot wait; later slices wait for it. */
  spend(run: () => void): void {
    const beginMs = this.nowMs();
    run();
    if (this.targetMs === Number.POSITIVE_INFINITY) return;
    const tookMs = this.nowMs() - beginMs;
    this.restUntilMs = Math.max(this.restUntilMs, beginMs) + tookMs / this.current;
  }

  private isNext(work: Work, nowMs: number): boolean {
    if (this.targetMs === Number.POSITIVE_INFINITY) return true;
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
