import type { RingFact, RingState } from '../ring/state.js';
import { withFacts } from '../ring/change.js';
import type { DurableRing } from './durable-ring.js';

/** Facts that come within so long are made durable together. */
const GATHER_MS = 50;
const AGAIN_MS = 1_000;

/** Takes what virtual nodes are certain of into the ring's state, all that comes within a moment together. */
export class FactIntake {
  private readonly ring: DurableRing;
  private readonly tookIn: (before: RingState, after: RingState) => void;
  private gathered: RingFact[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** A step waits for its turn that will take in all that is gathered by then. */
  private isUnderWay = false;
  private closed = false;

  constructor(ring: DurableRing, tookIn: (before: RingState, after: RingState) => void) {
    this.ring = ring;
    this.tookIn = tookIn;
  }

  readonly facts = (facts: readonly RingFact[]): void => {
    this.gathered.push(...facts);
    if (!this.isUnderWay) this.takeInAfter(GATHER_MS);
  };

  private takeInAfter(ms: number): void {
    if (!this.closed) this.timer ??= setTimeout(this.takeIn, ms).unref();
  }

  private readonly takeIn = (): void => {
    this.timer = undefined;
    this.isUnderWay = true;
    // What comes while another state is being written goes into the next one, all together.
    const step = (state: RingState): RingState => {
      this.isUnderWay = false;
      return withFacts(state, this.gathered.splice(0));
    };
    // Where the disk takes nothing: what was reported is reported again.
    this.ring.advance(step, this.tookIn).catch(() => this.takeInAfter(AGAIN_MS));
  };

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }
}
