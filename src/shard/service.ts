import type { FrameHandler } from '../messaging/transport.js';

/**
 * A protocol that a virtual node runs beside requests (gossip, repair, handing over …). It knows
 * as little of threads and clocks as the virtual node itself.
 */
export interface Service {
  /** Types of the frames that it takes; no two services share one. */
  readonly frames: readonly number[];
  /** A frame of one of these types, intact and before its deadline, in place: valid during the call. */
  readonly receive: FrameHandler;
  /** Does a bounded slice of what is due; returns when to be called next, in monotonic milliseconds. */
  poll(nowMs: number): number;
}
