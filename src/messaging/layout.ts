import { assert } from '../base/assert.js';
import { LIMITS } from '../base/limits.js';
import { align } from '../base/memory.js';
import { FaultTable } from './fault-table.js';
import { LeaseTable } from './lease-table.js';

/**
 * The store's shared memory apart from the object buffers, allocated once at start.
 *
 * `control` (32-bit words unless a double or 64-bit integer is named):
 *
 *   store      state, reader epoch, hybrid clock (64 bit)            writers: see each name below
 *   vnode v    state, incarnation, heartbeat, suspicions, counters   written by the virtual node's thread
 *                                                                    (state also by the host after that thread is gone)
 *              who holds hints for it: bit h is virtual node h       each bit by that virtual node's thread
 *   party p    doorbell, 16 words apart (a cache line each)          1 by the sleeper; 1 → 0 by whoever wakes it
 *   caller c   reader epoch, suspicions, direct reads, claim words   written by the caller; claim words see claims.ts;
 *                                                                    cleared by the host once the caller's port closed
 *   buckets    a word per bucket number: n | conflict rule <<8       written once by the host, before anybody
 *                                                                    can know the bucket
 *   caches     a word per bucket number: bytes of a cache (cacheFacts)  written by the host alone
 *
 * `rings`: one ring buffer per directed pair, see ring.ts. Parties are numbered: virtual nodes
 * 0…V−1, then callers V…V+C−1. Callers do not talk to callers. V is the room for virtual nodes, those
 * that may join included: pages that nobody touches cost nothing.
 */
export interface SharedShape {
  readonly vnodes: number;
  readonly callers: number;
  readonly claimsPerCaller: number;
  readonly callerRingBytes: number;
  readonly vnodeRingBytes: number;
}

const LINE = 16;

/** Words of the store's own line. */
export const STORE_STATE = 0;
/** Raised by whoever wants to reuse memory; see storage/readers.ts. */
export const STORE_READER_EPOCH = 1;
/** Of the state of the ring that is in force; see ring-table.ts. */
export const STORE_RING_REVISION = 2;
/** 64-bit hybrid logical clock, raised by compare-exchange. */
export const STORE_CLOCK = 4;
/** 64-bit wall milliseconds by which values expire; raised by compare-exchange (expiry-clock.ts). */
export const STORE_EXPIRY_CLOCK = 8;

/** Not 0 while a backup is read: no virtual node lets a copy go then. Written by the host. */
export const STORE_RETAINS = 10;

export const STORE_OPEN = 1;
export const STORE_CLOSING = 2;
export const STORE_CLOSED = 3;

/** Words of a virtual node's block. */
export const VNODE_STATE = 0;
/** Number of the thread that serves it, raised by the host before each start. */
export const VNODE_INCARNATION = 1;
export const VNODE_HEARTBEAT = 2;
/** Set by the host: a control message waits on the MessagePort. */
export const VNODE_CONTROL = 3;
/** Two words: bit h is set as long as virtual node h may hold hints for this one. */
export const VNODE_HINTED = 6;
/** Digest of the membership as this virtual node knows it. */
export const VNODE_MEMBERSHIP = 8;
/** Whom it suspects: bit v of these two words is virtual node v. */
export const VNODE_SUSPECTS = 9;
/** Revision of the ring that this virtual node works with; what it decides later follows from that one or a newer one. */
export const VNODE_RING_REVISION = 11;
/** First of the counters (counters.ts). */
export const VNODE_COUNTERS = 16;
export const VNODE_WORDS = 128;

export const STATE_NAMES = [
  'starting',
  'recovering',
  'serving',
  'fenced',
  'stopped',
  'faulted',
  'rebuilding',
] as const;
export const STATE_STARTING = 0;
export const STATE_RECOVERING = 1;
export const STATE_SERVING = 2;
export const STATE_FENCED = 3;
export const STATE_STOPPED = 4;
export const STATE_FAULTED = 5;
/** It lost its data and takes requests while its peers give it theirs: what it lacks proves nothing. */
export const STATE_REBUILDING = 6;

/** Whether a virtual node in this state is sent requests. */
export function takesRequests(state: number): boolean {
  return state === STATE_SERVING || state === STATE_REBUILDING;
}

/** Words of a caller's block; its claim words follow. */
export const CALLER_READER_EPOCH = 0;
/** Whom the caller suspects, as VNODE_SUSPECTS. */
export const CALLER_SUSPECTS = 5;
/** Revision of the ring that its requests under way follow from; 0: none is under way. */
export const CALLER_RING_REVISION = 7;
const CALLER_WORDS = LINE;

/** A bucket's word; 0 for a number that no bucket has. */
export function bucketFacts(replicas: number, rule: number): number {
  return replicas | (rule << 8);
}
export function replicasOfFacts(facts: number): number {
  return facts & 0xff;
}
export function ruleOfFacts(facts: number): number {
  return facts >>> 8;
}

/** What a cache bucket may have, as a word: KiB, all ones without a limit; 0 of a bucket that is no cache. */
export function cacheFacts(maxBytes: number): number {
  return maxBytes === Number.POSITIVE_INFINITY ? -1 : Math.ceil(maxBytes / 1024) | 0;
}
export function maxBytesOfFacts(facts: number): number {
  return facts === -1 ? Number.POSITIVE_INFINITY : (facts >>> 0) * 1024;
}

export const RING_HEADER_BYTES = 192;
/** Of each of the two slots of the ring table (ring-table.ts). */
export const TOPOLOGY_SLOT_BYTES = 128 << 10;

export class SharedLayout {
  readonly shape: SharedShape;
  readonly controlBytes: number;
  readonly ringsBytes: number;
  readonly parties: number;
  private readonly vnodesAt: number;
  private readonly doorbellsAt: number;
  private readonly callersAt: number;
  private readonly callerBlock: number;
  private readonly claimsAt: number;
  private readonly bucketsAt: number;
  private readonly cachesAt: number;

  constructor(shape: SharedShape) {
    for (const bytes of [shape.callerRingBytes, shape.vnodeRingBytes]) {
      assert((bytes & (bytes - 1)) === 0 && bytes >= 4096, 'ring sizes are powers of two of at least 4 KiB');
    }
    this.shape = shape;
    this.parties = shape.vnodes + shape.callers;
    this.vnodesAt = LINE;
    this.doorbellsAt = this.vnodesAt + shape.vnodes * VNODE_WORDS;
    this.callersAt = this.doorbellsAt + this.parties * LINE;
    this.claimsAt = CALLER_WORDS + align(shape.vnodes, LINE);
    this.callerBlock = this.claimsAt + align(shape.claimsPerCaller, LINE);
    this.bucketsAt = this.callersAt + shape.callers * this.callerBlock;
    this.cachesAt = this.bucketsAt + align(LIMITS.buckets + 1, LINE);
    this.controlBytes = (this.cachesAt + align(LIMITS.buckets + 1, LINE)) * 4;
    const { vnodes, callers } = shape;
    this.ringsBytes =
      vnodes * (vnodes - 1) * (RING_HEADER_BYTES + shape.vnodeRingBytes) +
      2 * vnodes * callers * (RING_HEADER_BYTES + shape.callerRingBytes);
  }

  callerParty(caller: number): number {
    return this.shape.vnodes + caller;
  }
  isVnode(party: number): boolean {
    return party < this.shape.vnodes;
  }
  vnodeWord(vnode: number): number {
    return this.vnodesAt + vnode * VNODE_WORDS;
  }
  doorbellWord(party: number): number {
    return this.doorbellsAt + party * LINE;
  }
  callerWord(caller: number): number {
    return this.callersAt + caller * this.callerBlock;
  }
  claimWord(caller: number, slot: number): number {
    return this.callerWord(caller) + this.claimsAt + slot;
  }
  /** How often a caller has read directly from a virtual node. */
  directReadsWord(caller: number, vnode: number): number {
    return this.callerWord(caller) + CALLER_WORDS + vnode;
  }

  bucketWord(bucket: number): number {
    return this.bucketsAt + bucket;
  }

  cacheWord(bucket: number): number {
    return this.cachesAt + bucket;
  }

  /** Data bytes of the ring between two parties. */
  ringBytes(from: number, to: number): number {
    return this.isVnode(from) && this.isVnode(to) ? this.shape.vnodeRingBytes : this.shape.callerRingBytes;
  }

  /** Byte offset in `rings` of the ring from one party to another. */
  ringAt(from: number, to: number): number {
    const { vnodes, callers, vnodeRingBytes, callerRingBytes } = this.shape;
    const vnodePair = RING_HEADER_BYTES + vnodeRingBytes;
    const callerPair = RING_HEADER_BYTES + callerRingBytes;
    if (this.isVnode(from) && this.isVnode(to)) {
      assert(from !== to, 'a virtual node sends itself nothing');
      return (from * (vnodes - 1) + (to > from ? to - 1 : to)) * vnodePair;
    }
    const base = vnodes * (vnodes - 1) * vnodePair;
    assert(this.isVnode(from) !== this.isVnode(to), 'callers do not talk to callers');
    const toVnode = this.isVnode(to);
    const caller = (toVnode ? from : to) - vnodes;
    const vnode = toVnode ? to : from;
    return base + ((toVnode ? 0 : vnodes * callers) + caller * vnodes + vnode) * callerPair;
  }
}

/** The shared buffers themselves, as they are handed to every thread. */
export interface SharedBuffers {
  readonly shape: SharedShape;
  readonly control: SharedArrayBuffer;
  readonly rings: SharedArrayBuffer;
  /** See ring-table.ts. */
  readonly topology: SharedArrayBuffer;
  /** Of keys that somebody loads; see lease-table.ts. */
  readonly leases: SharedArrayBuffer;
  /** Only in a store that was opened with faults allowed; see fault-table.ts. */
  readonly faults?: SharedArrayBuffer;
}

export function allocateShared(shape: SharedShape, allowFaults = false): SharedBuffers {
  const layout = new SharedLayout(shape);
  return {
    shape,
    control: new SharedArrayBuffer(layout.controlBytes),
    rings: new SharedArrayBuffer(layout.ringsBytes),
    topology: new SharedArrayBuffer(2 * TOPOLOGY_SLOT_BYTES),
    leases: LeaseTable.allocate(),
    ...(allowFaults ? { faults: FaultTable.allocate(shape.vnodes) } : {}),
  };
}
