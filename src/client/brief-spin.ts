import type { Clock } from '../base/time.js';
import type { Endpoint } from '../messaging/transport.js';

/** A reply that needs one hop there and one back takes less than this when a core is free. */
const SPIN_MS = 0.02;
/** The event loop gets a turn at least this often. */
const TURN_MS = 4;
/** After so many spins in vain the next ones are left out. */
const MISSES = 4;
const REST = 256;

/**
 * With a single request in flight, going to sleep and being woken costs more than the answer takes:
 * look for it in place for a moment. Stops by itself where it does not pay (more hops, no free
 * core), and lets the event loop have its turn.
 */
export class BriefSpin {
  private readonly endpoint: Endpoint;
  private readonly clock: Clock;
  private turnMs = 0;
  private misses = 0;
  private rest = 0;

  constructor(endpoint: Endpoint, clock: Clock) {
    this.endpoint = endpoint;
    this.clock = clock;
  }

  /** The event loop has just come round. */
  newTurn(): void {
    this.turnMs = this.clock.nowMs();
  }

  /** True when something has arrived. */
  wait(): boolean {
    if (this.rest > 0) {
      this.rest--;
      return false;
    }
    const start = this.clock.nowMs();
    if (start - this.turnMs > TURN_MS) return false;
    do {
      for (let i = 0; i < 16; i++) {
        if (this.endpoint.idle()) continue;
        this.misses = 0;
        return true;
      }
    } while (this.clock.nowMs() - start < SPIN_MS);
    if (++this.misses >= MISSES) {
      this.misses = 0;
      this.rest = REST;
    }
    return false;
  }
}
