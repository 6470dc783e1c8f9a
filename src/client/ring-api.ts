/** Ring changes, as users see them. */

/** A node that is to join. */
export interface JoinRequest {
  /** "n5": a letter or digit, then up to 15 of A-Z a-z 0-9 _ - */
  readonly node: string;
  /** Relative load, 1 to 16; default 1. */
  readonly capacity?: number;
  /** Virtual nodes (threads), default 1. */
  readonly vnodes?: number;
}

/** What a change would move. */
export interface RingPlan {
  readonly change: 'join' | 'leave';
  readonly node: string;
  /** Partitions some owner of which changes. */
  readonly partitions: readonly {
    readonly partition: number;
    /** Owners for the greatest n in use: who loses it, and who gets it. */
    readonly from: readonly string[];
    readonly to: readonly string[];
    /** Copies of keys that move, about: a virtual node's keys are spread evenly over its partitions. */
    readonly keys: number;
  }[];
  /** Copies of keys that move, about. */
  readonly keys: number;
  /** Copies of keys in the store, about. */
  readonly allKeys: number;
}

/** A change under way, or the last one. */
export interface RingProgress {
  readonly change: 'join' | 'leave';
  readonly node: string;
  /** `done` and `rolled back` are how it ended. */
  readonly phase: 'starting' | 'moving' | 'cleaning' | 'done' | 'rolled back';
  /** Partitions that move; of these, those that their new owners serve, and those whose old copies may go. */
  readonly partitions: number;
  readonly handed: number;
  readonly compared: number;
  /** Virtual nodes that still hold copies they are to let go, or hints to hand over. */
  readonly cleaning: readonly string[];
  /** Copies of keys that have moved. */
  readonly keys: number;
  readonly forMs: number;
}

export interface RollBackOptions {
  /**
   * Nobody waits for the joiner, which does not serve any more: its threads end, and what it alone has
   * (hints for nodes that were away during the join) is lost with its directory. Also for a change that is
   * on its way back already. Default false.
   */
  readonly abandon?: boolean;
}

/** Grows and shrinks the store while it serves; only where it was opened. */
export interface RingControl {
  /** The change under way, or the last one since the store opened. */
  readonly progress: RingProgress | undefined;
  planJoin(request: JoinRequest): Promise<RingPlan>;
  planLeave(node: string): Promise<RingPlan>;
  /**
   * Starts a node's threads and begins to hand over to it; `finished` tells when that is done.
   * @throws RingletError RING_CHANGING, RING_FULL, BAD_REQUEST
   */
  join(request: JoinRequest): Promise<RingProgress>;
  leave(node: string): Promise<RingProgress>;
  /**
   * Takes back a change that has handed nothing over yet; `finished` tells when all copies have gone
   * again. A join whose threads never came to serve is over at once.
   * @throws RingletError RING_CHANGING, BAD_REQUEST
   */
  rollBack(options?: RollBackOptions): Promise<RingProgress>;
  /**
   * Resolves when no change is under way.
   * @throws RingletError why a change that the options of the start asked for did not begin, until another one has
   */
  finished(): Promise<RingProgress | undefined>;
}
