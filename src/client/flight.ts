import { RingletError } from '../base/errors.js';
import { aborted } from './located.js';
import { offAbort, onAbort } from './signals.js';

/**
 * A piece of work of this thread that several wait for. Each has a time of its own and may leave; the
 * last one who leaves before it is done ends it.
 */
export class Flight<T> {
  private readonly controller = new AbortController();
  private outcome!: Promise<T>;
  /** Those who wait, each by what sends it away. */
  private readonly waiting = new Set<(error: RingletError) => void>();
  private isOver = false;
  private readonly onOver: () => void;
  /** By when the last of those who wait goes. */
  untilMs = 0;
  /** Told when that is later than before. */
  onExtended: ((untilMs: number) => void) | undefined;

  /** @param onOver it is done, or ended: who comes now is too late to join it */
  constructor(onOver: () => void) {
    this.onOver = onOver;
  }

  begin(work: () => Promise<T>): void {
    this.outcome = work();
    this.outcome.then(this.over, this.over);
  }

  private readonly over = (): void => {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver();
  };

  /** Fires when nobody waits any more. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** All who still wait hear of an error; the work ends with the last of them. */
  fail(error: RingletError): void {
    for (const leave of this.waiting) leave(error);
  }

  /** What is waited for, or ABORTED as soon as nobody waits any more. */
  unlessEnded<V>(value: Promise<V>): Promise<V> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const end = (): void => reject(aborted(false));
      if (signal.aborted) end();
      else onAbort(signal, end);
      // Also of what comes too late: a rejection that nobody takes ends the process.
      value.then(resolve, reject).finally(() => offAbort(signal, end));
    });
  }

  /** @throws RingletError TIMEOUT, ABORTED; whatever the work throws */
  join(nowMs: number, timeoutMs: number, signal: AbortSignal | undefined, background = false): Promise<T> {
    if (nowMs + timeoutMs > this.untilMs) {
      this.untilMs = nowMs + timeoutMs;
      this.onExtended?.(this.untilMs);
    }
    return new Promise((resolve, reject) => {
      const leave = (error?: RingletError): void => {
        if (!this.waiting.delete(leave)) return;
        clearTimeout(timer);
        if (signal !== undefined) offAbort(signal, abort);
        if (error === undefined) return;
        reject(error);
        if (this.waiting.size > 0 || this.isOver) return;
        this.over();
        this.controller.abort(error);
      };
      const abort = (): void => leave(aborted(false));
      const timer = setTimeout(() => leave(timedOut(timeoutMs)), timeoutMs);
      this.waiting.add(leave);
      if (background) timer.unref();
      if (signal !== undefined) onAbort(signal, abort);
      this.outcome.then(resolve, reject).finally(() => leave());
    });
  }
}

function timedOut(timeoutMs: number): RingletError {
  return new RingletError('TIMEOUT', `not loaded after ${Math.round(timeoutMs)} ms`, {
    timeoutMs: Math.round(timeoutMs),
  });
}
