/**
 * What the core sees of messaging: one endpoint per party, ordered frames to and from every peer.
 * Rings in shared memory and MessagePorts implement it, and so does the simulator's network.
 */

/** Handles a frame in place: `words[at]` is its length in bytes. It must be copied to be kept. */
export type FrameHandler = (from: number, words: Int32Array, bytes: Uint8Array, at: number) => void;

/** The way out to one peer. A frame is written between `begin` and `end`, nothing else happens between. */
export interface Outbox {
  /** Where the frame that `begin` opened is written: valid from `begin` to `end`. */
  words: Int32Array;
  bytes: Uint8Array;
  /** Opens a frame of so many bytes (rounded up to 8) and returns its first word. */
  begin(frameBytes: number): number;
  end(): void;
  /**
   * Bytes that wait because the peer is slow, of each frame no more than a quarter of the limit. A sender of
   * *requests* refuses above its limit.
   */
  readonly waitingBytes: number;
  /** Bytes that ever had to wait, and how many of those have left: what is sent now leaves behind all of them. */
  readonly queuedBytes?: number;
  readonly leftBytes?: number;
}

export interface Endpoint {
  readonly party: number;
  to(peer: number): Outbox;
  /** Virtual nodes below this number may speak: so many are known by now. */
  grow(vnodes: number): void;
  /**
   * Hands over what has arrived, at most `budget` frames per peer; true if there may be more.
   *
   * @param onPart told of whom a part of a long frame has come that is not whole yet
   */
  drain(budget: number, handle: FrameHandler, onPart?: (from: number) => void): boolean;
  /** Makes everything sent so far visible and wakes the receivers. Once per turn. */
  flush(): void;
  /** Whether nothing has arrived and nothing can leave; asked again after the doorbell is armed. */
  idle(): boolean;
  /** Whether frames wait for room at a slow peer. */
  readonly blocked: boolean;
}
