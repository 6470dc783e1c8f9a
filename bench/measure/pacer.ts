import { Worker } from 'node:worker_threads';
import { nowMs } from './clock.js';

/** Words of the memory that the pacing thread shares with its generator. */
export const PACER_SLEEPING = 0;
export const PACER_STOP = 1;

/** Two threads' clocks differ by some microseconds; a start this close is not slept for, since it may have been signalled. */
const MARGIN_MS = 0.02;

export interface PacerData {
  readonly starts: Float64Array;
  /** Time of schedule zero on the shared monotonic clock, ms. */
  readonly beganMs: number;
  readonly words: Int32Array;
}

/**
 * Wakes a generator's event loop at each intended start. A timer of Node has a resolution of 1 ms,
 * and a generator that polls would take a core from the store; so a thread of its own sleeps in
 * `Atomics.wait` until the next start and posts a message, if the generator sleeps.
 */
export class Pacer {
  readonly #worker: Worker;
  readonly #words = new Int32Array(new SharedArrayBuffer(8));
  readonly #exited: Promise<void>;
  #wake: (() => void) | undefined;

  constructor(starts: Float64Array, beganMs: number) {
    const workerData: PacerData = { starts, beganMs, words: this.#words };
    this.#worker = new Worker(new URL('./pacer-thread.js', import.meta.url), { workerData });
    this.#worker.on('message', () => this.#resume());
    this.#worker.on('error', () => this.#resume());
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => resolve());
    });
  }

  /** Resolves at about that time, or when {@link wake} is called. */
  async sleepUntil(atMs: number): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    // Drain, set the flag, look again, sleep: a start that came due in between is not slept over.
    Atomics.store(this.#words, PACER_SLEEPING, 1);
    if (nowMs() >= atMs - MARGIN_MS) this.#resume();
    await woken;
  }

  wake(): void {
    this.#resume();
  }

  async stop(): Promise<void> {
    Atomics.store(this.#words, PACER_STOP, 1);
    Atomics.notify(this.#words, PACER_STOP);
    await this.#exited;
  }

  #resume(): void {
    Atomics.store(this.#words, PACER_SLEEPING, 0);
    this.#wake?.();
    this.#wake = undefined;
  }
}
