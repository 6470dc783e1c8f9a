import type { Admission } from './admission.js';
import { APPENDED, CONFIRMED, LOG_SEGMENT, ownCounter } from './buffer-layout.js';
import type { Checkpoint } from './checkpoint.js';
import type { ObjectBuffer } from './object-buffer.js';
import { Waiters } from './waiters.js';

/** Steps of a checkpoint per turn while somebody waits for it. */
const PRESSED_STEPS = 8;

/**
 * When a checkpoint begins and how fast it goes on: as background work, unless a request waits for it or
 * the log is about to fill.
 */
export class CheckpointSchedule {
  private readonly buffer: ObjectBuffer;
  private readonly checkpoint: Checkpoint;
  private readonly admission: Admission;
  private readonly everyMs: number;
  private readonly phaseMs: number;
  private readonly waiters = new Waiters();
  /** In which one began last, or there was nothing to move. */
  private lastPeriod = 0;
  /** A checkpoint of everything was asked for: a scan, or the end. */
  private drainTo = 0;
  /** Up to here a request waits for it. */
  private pressTo = 0;

  /**
   * @param everyMs one starts once in so long, if there is anything to move
   * @param phaseMs and so long after a beginning that all virtual nodes share
   */
  constructor(
    buffer: ObjectBuffer,
    checkpoint: Checkpoint,
    admission: Admission,
    everyMs: number,
    phaseMs: number,
  ) {
    this.buffer = buffer;
    this.checkpoint = checkpoint;
    this.admission = admission;
    this.everyMs = everyMs;
    this.phaseMs = phaseMs;
  }

  /** Calls back by {@link release} when everything appended so far is in the engine; false if it is already. */
  await(token: number, patient: boolean): boolean {
    if (this.confirmed >= this.buffer.lastSequence) return false;
    this.drainTo = this.buffer.lastSequence;
    if (!patient) this.pressTo = this.drainTo;
    this.waiters.add(this.drainTo, token);
    return true;
  }

  release(onReached: (token: number) => void): void {
    if (!this.waiters.empty) this.waiters.release(this.confirmed, onReached);
  }

  /** A request waits for the engine. */
  get pressing(): boolean {
    return !this.waiters.empty && this.confirmed < this.pressTo;
  }

  /** Once the log is full requests would wait for the checkpoint. */
  private get pressed(): boolean {
    const { segments } = this.buffer.layout.shape;
    return this.pressing || this.checkpoint.sealedCount >= (segments * 3) >>> 2;
  }

  private get confirmed(): number {
    return ownCounter(this.buffer.words, CONFIRMED);
  }

  step(nowMs: number): void {
    const { checkpoint } = this;
    if (checkpoint.idle && checkpoint.error === undefined) this.begin(nowMs);
    const step = (): boolean => {
      checkpoint.step();
      return checkpoint.busy;
    };
    if (this.pressed) for (let left = PRESSED_STEPS; left > 0 && step(); left--);
    else if (checkpoint.busy) this.admission.slice('engine', nowMs, step);
    else checkpoint.step();
  }

  private begin(nowMs: number): void {
    const { buffer, checkpoint, confirmed } = this;
    const behind = confirmed < buffer.lastSequence;
    const draining = confirmed < this.drainTo;
    const period = Math.floor((nowMs - this.phaseMs) / this.everyMs);
    if (!behind) this.lastPeriod = period;
    const late = behind && period > this.lastPeriod;
    const full = checkpoint.sealedCount >= buffer.layout.shape.segments >>> 1;
    if (draining || late) buffer.seal(LOG_SEGMENT);
    if (draining || late || full) {
      this.lastPeriod = period;
      checkpoint.start();
    }
  }

  /** When it wants the next {@link step}, in monotonic milliseconds; a checkpoint that waits calls back by itself. */
  nextMs(nowMs: number): number {
    const { checkpoint } = this;
    if (checkpoint.busy) return this.pressed ? nowMs : Math.max(nowMs, this.admission.nextMs);
    const behind = this.confirmed < ownCounter(this.buffer.words, APPENDED);
    if (!checkpoint.idle || checkpoint.error !== undefined || !behind) return Number.POSITIVE_INFINITY;
    return Math.max(nowMs, this.phaseMs + (this.lastPeriod + 1) * this.everyMs);
  }
}
