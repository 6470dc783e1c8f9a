import { STATE_SERVING, STORE_READER_EPOCH, VNODE_STATE, type SharedLayout } from './layout.js';
import { Patience } from './patience.js';
import type { Endpoint } from './transport.js';

/**
 * Looks for the next frame for some microseconds before a virtual node blocks: a thread that sleeps
 * costs whoever sends to it a system call, and a wake-up of which a short request mostly consists.
 *
 * Only where a core is free for it. Doorbells tell who is awake (doorbell.ts): whoever rings a
 * sleeper clears its word before the kernel wakes it, so that a virtual node which looks makes room
 * in time. One more core is left to a caller. Whether looking pays is learned ({@link Patience}).
 */
export class Lookout {
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly endpoint: Endpoint;
  private readonly nowMs: () => number;
  /** Virtual nodes that may be awake besides this one. */
  private readonly company: number;
  /** Doorbells of the others that serve, as of the reader epoch, which counts changes of that (reader-epoch.ts). */
  private others: readonly number[] = [];
  private epoch = 0;
  private readonly patience = new Patience();

  constructor(
    control: Int32Array,
    layout: SharedLayout,
    endpoint: Endpoint,
    nowMs: () => number,
    cores: number,
  ) {
    this.control = control;
    this.layout = layout;
    this.endpoint = endpoint;
    this.nowMs = nowMs;
    this.company = cores - 2;
  }

  /** True: there is something, do not sleep. */
  spots(): boolean {
    if (Atomics.load(this.control, STORE_READER_EPOCH) !== this.epoch) this.meetOthers();
    if (!this.coreIsFree() || !this.patience.begin(this.nowMs())) return false;
    while (this.endpoint.idle()) {
      if (!this.coreIsFree()) {
        this.patience.drop();
        return false;
      }
      if (!this.patience.goOn(this.nowMs())) return false;
    }
    this.patience.hit();
    return true;
  }

  private meetOthers(): void {
    const { control, layout } = this;
    this.epoch = Atomics.load(control, STORE_READER_EPOCH);
    this.others = Array.from({ length: layout.shape.vnodes }, (_, vnode) => vnode)
      .filter((vnode) => vnode !== this.endpoint.party)
      .filter((vnode) => Atomics.load(control, layout.vnodeWord(vnode) + VNODE_STATE) === STATE_SERVING)
      .map((vnode) => layout.doorbellWord(vnode));
  }

  private coreIsFree(): boolean {
    let awake = 0;
    for (const bell of this.others) {
      if (Atomics.load(this.control, bell) === 0 && ++awake > this.company) return false;
    }
    return awake <= this.company;
  }
}
