import type { Clock } from '../base/time.js';
import type { Claims } from '../messaging/claims.js';
import type { Endpoint } from '../messaging/transport.js';
import type { Ring } from '../ring/ring.js';

/** Counters of a virtual node, words from VNODE_COUNTERS on; 64-bit ones take two. */
export const COUNT_READS = 0;
export const COUNT_COORDINATED = 2;
export const COUNT_REPLICATED = 4;
export const COUNT_REPAIRED = 6;
export const COUNT_REFUSED = 8;
export const COUNT_DROPPED = 10;
export const COUNT_CORRUPT = 12;
export const GAUGE_SIBLINGS_MAX = 14;
export const GAUGE_ACTORS_MAX = 15;
export const COUNT_JOURNAL_FAILURES = 16;
export const COUNT_HINTS_DELIVERED = 24;
/** Hints that were not kept because there were too many. */
export const COUNT_HINTS_DROPPED = 26;
export const GAUGE_HINTS = 28;
export const GAUGE_HINT_KIB = 29;
/** When the oldest hint was made, in seconds of the time of day (unsigned); 0: there is none. */
export const GAUGE_HINTS_SINCE = 30;

/** Everything a virtual node knows of the world: no clock, thread, timer or promise besides. */
export interface VnodeEnvironment {
  readonly ordinal: number;
  readonly ring: Ring;
  readonly endpoint: Endpoint;
  readonly claims: Claims;
  readonly clock: Clock;
  /** Hybrid time for new values. */
  tick(): number;
  /** Whether another virtual node serves requests now, as this one sees it. */
  isServing(vnode: number): boolean;
  /** An actor number that nobody has had and nobody else gets; undefined: none at the moment. */
  freshActor(): number | undefined;
  /** Says whether this virtual node may hold hints for another: readers of that one ask here too. */
  holdsHintsFor(owner: number, holds: boolean): void;
  count(counter: number, by: number): void;
  gauge(gauge: number, value: number): void;
}
