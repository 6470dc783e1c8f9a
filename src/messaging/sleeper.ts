import type { SharedLayout } from './layout.js';
import type { Lookout } from './lookout.js';
import type { Endpoint } from './transport.js';

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: false } | { async: true; value: Promise<string> };

const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;

/**
 * How a thread sleeps until its doorbell rings. Blocking (`Atomics.wait`) is the cheapest, but
 * lets no native completion in; so it goes to the event loop while some are on their way.
 */
export class Sleeper {
  private readonly control: Int32Array;
  private readonly word: number;
  private readonly endpoint: Endpoint;
  private readonly hasOtherWork: () => boolean;
  private readonly lookout: Lookout | undefined;
  private wakeUp: (() => void) | undefined;
  /** A `waitAsync` cannot be cancelled: one is kept and used again. */
  private waiting = false;
  private woken = false;

  /**
   * @param hasOtherWork whatever else rings this doorbell: looked at after it is armed, or a ring
   *   between the last look and the arming would be lost
   * @param lookout what is tried before a blocking sleep
   */
  constructor(
    control: Int32Array,
    layout: SharedLayout,
    endpoint: Endpoint,
    hasOtherWork: () => boolean = () => false,
    lookout?: Lookout,
  ) {
    this.lookout = lookout;
    this.control = control;
    this.word = layout.doorbellWord(endpoint.party);
    this.endpoint = endpoint;
    this.hasOtherWork = hasOtherWork;
  }

  /** A completion has arrived: do not sleep, or stop sleeping on the event loop. */
  readonly wake = (): void => {
    this.woken = true;
    this.wakeUp?.();
  };

  block(milliseconds: number): void {
    if (this.lookout?.spots() === true) return;
    if (this.arm()) Atomics.wait(this.control, this.word, 1, milliseconds);
    this.disarm();
  }

  async onEventLoop(milliseconds: number): Promise<void> {
    if (!this.woken && this.arm()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
        this.listen();
      });
      this.wakeUp = undefined;
    } else {
      await nextTurn();
    }
    this.woken = false;
    this.disarm();
  }

  /** Declares us asleep; false if something has arrived meanwhile. */
  private arm(): boolean {
    Atomics.store(this.control, this.word, 1);
    return this.endpoint.idle() && !this.hasOtherWork();
  }

  private disarm(): void {
    Atomics.store(this.control, this.word, 0);
  }

  private listen(): void {
    if (this.waiting) return;
    const wait = waitAsync(this.control, this.word, 1);
    if (!wait.async) {
      this.wakeUp?.();
      return;
    }
    this.waiting = true;
    void wait.value.then(() => {
      this.waiting = false;
      this.wakeUp?.();
    });
  }
}

export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
