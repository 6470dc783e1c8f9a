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

/** Everything a virtual node knows of the world: no clock, thread, timer or promise besides. */
export interface VnodeEnvironment {
  readonly ordinal: number;
  readonly ring: Ring;
  readonly endpoint: Endpoint;
  readonly claims: Claims;
  readonly clock: Clock;
  /** Hybrid time for new values. */
  tick(): number;
  /** Whether another virtual node serves requests now: its state word; inside a virtual node also what that one suspects. */
  isServing(vnode: number): boolean;
  /** Number of the thread that serves this virtual node, from 1. */
  readonly incarnation: number;
  /** 0 ≤ x < 1. */
  random(): number;
  /** For whoever looks from outside: whom this virtual node suspects, and the digest of its membership. */
  publishSuspicion(vnode: number, suspected: boolean): void;
  publishMembership(digest: number): void;
  count(counter: number, by: number): void;
  gauge(gauge: number, value: number): void;
}
