import type { ServerResponse } from 'node:http';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';

/**
 * What the clients of this thread have not taken of large answers, all together: each is bounded, but a thousand
 * of them would be more than there is memory. Small ones are not counted.
 */
export class HeldAnswers {
  readonly #mostBytes: number;
  readonly #held = new WeakMap<ServerResponse, number>();
  #heldBytes = 0;

  constructor(mostBytes: number = LIMITS.httpAnswerBytes) {
    this.#mostBytes = mostBytes;
  }

  /**
   * An answer holds so many bytes, instead of what it held before, until it has been taken or its client has gone.
   *
   * @throws RingletError OVERLOADED
   */
  hold(response: ServerResponse, bytes: number): void {
    const large = bytes > LIMITS.httpLargeAnswer ? bytes : 0;
    // Mostly: nothing to count, and nothing that was counted before.
    if (large === 0 && this.#heldBytes === 0) return;
    const before = this.#held.get(response);
    // One that is closed would never be heard of again.
    if (response.closed || large === (before ?? 0)) return;
    if (large > (before ?? 0) && this.#heldBytes + large - (before ?? 0) > this.#mostBytes) {
      const message = `large answers of ${this.#mostBytes} bytes are being taken by other clients; try again`;
      throw new RingletError('OVERLOADED', message, { limit: this.#mostBytes });
    }
    if (before === undefined) response.once('close', () => this.#set(response, 0));
    this.#set(response, large);
  }

  #set(response: ServerResponse, bytes: number): void {
    this.#heldBytes += bytes - (this.#held.get(response) ?? 0);
    this.#held.set(response, bytes);
  }
}

/** Of this thread: there is one memory, however many doors. */
export const heldAnswers = new HeldAnswers();
