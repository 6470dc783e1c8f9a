import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LoopTime } from '../../bench/measure/open-loop.js';

/** Of the event loop: who has more to do at this time does it meanwhile. */
const TURNS = 3;

/** A clock that goes on to the next moment that somebody waits for, once nobody has anything else to do. */
export class VirtualTime implements LoopTime {
  ms = 0;
  readonly #sleepers: { readonly atMs: number; readonly wake: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  sleepUntil(atMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#sleepers.push({ atMs, wake: resolve });
      if (this.#sleepers.length === 1) void this.#goOn();
    });
  }

  /** So many milliseconds from now. */
  after(ms: number): Promise<void> {
    return this.sleepUntil(this.ms + ms);
  }

  pacer(): ReturnType<LoopTime['pacer']> {
    let wakeUp = (): void => undefined;
    return {
      sleepUntil: (atMs) =>
        new Promise((resolve) => {
          wakeUp = resolve;
          void this.sleepUntil(atMs).then(resolve);
        }),
      wake: () => wakeUp(),
      stop: async () => undefined,
    };
  }

  async #goOn(): Promise<void> {
    while (this.#sleepers.length > 0) {
      for (let turn = 0; turn < TURNS; turn++) await nextTurn();
      const next = this.#sleepers.reduce((one, other) => (other.atMs < one.atMs ? other : one));
      this.ms = Math.max(this.ms, next.atMs);
      next.wake();
      this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
    }
  }
}
