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
  private waiting = 0;
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

  /** What is waited for, or ABORTED as soon as nobody waits any more. */
  unlessEnded<V>(value: Promise<V>): Promise<V> {
    const { signal } = this;
    if (signal.aborted) return Promise.reject(aborted(false));
    return new Promise((resolve, reject) => {
      const end = (): void => reject(aborted(false));
      onAbort(signal, end);
      value.then(resolve, reject).finally(() => offAbort(signal, end));
    });
  }

  /** @throws RingletError TIMEOUT, ABORTED; whatever the work throws */
  join(nowMs: number, timeoutMs: number, signal: AbortSignal | undefined, background = false): Promise<T> {
    this.waiting++;
    if (nowMs + timeoutMs > this.untilMs) {
      this.untilMs = nowMs + timeoutMs;
      this.onExtended?.(this.untilMs);
    }
    return new Promise((resolve, reject) => {
      let left = false;
      const leave = (error?: RingletError): void => {
        if (left) return;
        left = true;
        clearTimeout(timer);
        if (signal !== undefined) offAbort(signal, abort);
        this.waiting--;
        if (error === undefined) return;
        reject(error);
        if (this.waiting > 0 || this.isOver) return;
        this.over();
        this.controller.abort(error);
      };
      const abort = (): void => leave(aborted(false));
      const timer = setTimeout(() => leave(timedOut(timeoutMs)), timeoutMs);
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
