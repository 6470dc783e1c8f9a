/** A caller looks for an answer so long: several times what it takes to wake a thread on a slow machine. */
const LOOK_MS = 0.25;
/** With more requests in flight there is other work to do than to look for an answer. */
const MOST_PENDING = 4;
/** Waits that are begun by looking, before anything is known. */
const FIRST = 16;
/** Then so many are tried the other way, after so many waits; more and more rarely, as long as it is no better. */
const TRY = 8;
const LEAST_BETWEEN_TRIES = 256;
const MOST_BETWEEN_TRIES = 4_096;
/** Looking costs a core: it must shorten waits to this share. */
const WORTH = 0.8;
/** Weight of the last wait, and the longest that counts: a stall says nothing about either way. */
const WEIGHT = 1 / 8;
const MOST_MS = 1;

/**
 * Whether a caller with few requests in flight should look for the answer from its event loop for
 * a moment before it goes to sleep. Sleeping costs a wake-up of this thread, and one of the virtual node,
 * which finds no next frame in time; looking costs a core, which whoever works on the answer may need. Which
 * one answers come sooner by depends on the machine and on what else runs: it is measured, both ways.
 */
export class AnswerWatch {
  private readonly averageMs = { look: Number.NaN, sleep: Number.NaN };
  private way: 'look' | 'sleep' = 'look';
  private chosen: 'look' | 'sleep' = 'look';
  private waits = 0;
  private betweenTries = LEAST_BETWEEN_TRIES;
  private nextTry = FIRST;
  private beganMs = 0;
  private looking = false;

  /** Begins a wait; false: sleep at once. */
  begin(pending: number, nowMs: number): boolean {
    this.looking = false;
    this.beganMs = 0;
    if (pending > MOST_PENDING) return false;
    const other = this.chosen === 'look' ? 'sleep' : 'look';
    this.way = ++this.waits > this.nextTry ? other : this.chosen;
    // What was known of it is old.
    if (this.waits === this.nextTry + 1) this.averageMs[other] = Number.NaN;
    this.beganMs = nowMs;
    this.looking = this.way === 'look';
    return this.looking;
  }

  /** Nothing is there yet: whether to look again. */
  goOn(nowMs: number): boolean {
    if (this.looking && nowMs >= this.beganMs + LOOK_MS) this.looking = false;
    return this.looking;
  }

  /** Something is there. */
  answered(nowMs: number): void {
    this.looking = false;
    if (this.beganMs === 0) return;
    const tookMs = Math.min(MOST_MS, nowMs - this.beganMs);
    this.beganMs = 0;
    const average = this.averageMs[this.way];
    this.averageMs[this.way] = Number.isNaN(average) ? tookMs : average + (tookMs - average) * WEIGHT;
    if (this.waits >= this.nextTry + TRY) this.choose();
  }

  private choose(): void {
    const { look, sleep } = this.averageMs;
    const better = look < sleep * WORTH ? 'look' : 'sleep';
    const stays = better === this.chosen;
    this.chosen = better;
    this.betweenTries = stays ? Math.min(MOST_BETWEEN_TRIES, this.betweenTries * 2) : LEAST_BETWEEN_TRIES;
    this.nextTry = this.waits + this.betweenTries;
  }
}
