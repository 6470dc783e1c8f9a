import type { Clock } from '../base/time.js';
import type { Claims } from '../messaging/claims.js';
import type { Endpoint } from '../messaging/transport.js';
import type { Ring } from '../ring/ring.js';
import type { RingSource } from './ring-source.js';

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
/** 0 before there are any, 1 while they are rebuilt, 2 once they are usable. */
export const GAUGE_TREES = 30;
/** When the peer that was found equal longest ago was: milliseconds modulo 2^31, 0 while one never was. */
export const GAUGE_IN_SYNC_AT = 31;
export const COUNT_EXCHANGES = 32;
export const COUNT_EXCHANGES_FAILED = 34;
export const COUNT_EXCHANGE_BYTES = 36;
export const COUNT_TREE_KEYS = 38;
export const COUNT_TREE_BYTES = 40;
/** Records in the engine. */
export const GAUGE_ENGINE_KEYS = 47;
export const COUNT_HINTS_DELIVERED = 18;
/** Hints that were not kept because there were too many. */
export const COUNT_HINTS_DROPPED = 20;
export const GAUGE_HINTS = 22;
export const GAUGE_HINT_KIB = 23;
/** When the oldest hint was made, in seconds of the time of day (unsigned); 0: there is none. */
export const GAUGE_HINTS_SINCE = 24;
/** Background work: its share of the thread's time in thousandths, the p99 that the foreground had, slices granted and refused (unsigned). */
export const GAUGE_BACKGROUND_SHARE = 64;
export const GAUGE_FOREGROUND_P99_US = 65;
export const GAUGE_SLICES = 66;
export const GAUGE_SLICES_HELD = 67;
/** Of the thread: collections of garbage, the time they took, the longest turn of the last half minute. */
export const COUNT_GCS = 104;
export const COUNT_GC_US = 106;
export const GAUGE_LONGEST_TURN_US = 108;

/** The scrub: records read, what was damaged, and when it was through last, in seconds of the time of day. */
export const COUNT_SCRUBBED = 42;
export const COUNT_SCRUB_DAMAGED = 44;
export const GAUGE_SCRUBBED_AT = 46;

/** Tombstones that this virtual node, as first owner, waits to reap; those that it has reaped as any owner. */
export const GAUGE_TOMBSTONES = 26;
export const COUNT_REAPED = 28;

/** Values that were made tombstones because their time was over. */
export const COUNT_EXPIRED = 48;

/** Of caches: entries that were evicted, those that there are, and their bytes in KiB. */
export const COUNT_EVICTED = 50;
export const GAUGE_CACHED = 52;
export const GAUGE_CACHED_KIB = 53;

export interface CacheFacts {
  /** Bytes that a bucket may have in the whole store, Infinity: no limit of its own; 0: it is no cache. */
  limitOf(bucket: number): number;
  /** Bytes that all caches may have in this virtual node. */
  readonly vnodeBytes: number;
}

/** Everything a virtual node knows of the world: no clock, thread, timer or promise besides. */
export interface VnodeEnvironment {
  readonly ordinal: number;
  /** Inside a virtual node it follows the changes of the ring. */
  readonly ring: Ring;
  /** Absent where the ring never changes. */
  readonly ringSource?: RingSource;
  readonly endpoint: Endpoint;
  readonly claims: Claims;
  readonly clock: Clock;
  /** Hybrid time for new values. */
  tick(): number;
  /** The time by which values expire, in wall milliseconds; from now on it is at least that for everybody. */
  expiryMs(): number;
  /** Whether another virtual node serves requests now: its state word; inside a virtual node also what that one suspects. */
  isServing(vnode: number): boolean;
  /** Whether it has all that it must have: it serves, and is not being rebuilt. */
  isWhole(vnode: number): boolean;
  /** n of a bucket, 0 if there is none of that number; it never changes. */
  replicasOf(bucket: number): number;
  /** Absent where there are no cache buckets. */
  readonly caches?: CacheFacts;
  /** Conflict rule of a bucket (RULE_…). */
  ruleOf(bucket: number): number;
  /**
   * Whether copies are to be kept that others have: a backup reads one virtual node after the other,
   * and what moved from a later one to an earlier one meanwhile would be in neither.
   */
  retains(): boolean;
  /** At least 0, below 1. */
  random(): number;
  /** An actor number that nobody has had and nobody else gets; undefined: none at the moment. */
  freshActor(): number | undefined;
  /** Says whether this virtual node may hold hints for another: readers of that one ask here too. */
  holdsHintsFor(owner: number, holds: boolean): void;
  /** Whether a virtual node may hold hints for another. */
  hasHintsFor(holder: number, owner: number): boolean;
  /** Number of the thread that serves this virtual node, from 1. */
  readonly incarnation: number;
  /** For whoever looks from outside: whom this virtual node suspects, and the digest of its membership. */
  publishSuspicion(vnode: number, suspected: boolean): void;
  publishMembership(digest: number): void;
  count(counter: number, by: number): void;
  gauge(gauge: number, value: number): void;
}
