import type { Clock } from '../base/time.js';
import type { Claims } from '../messaging/claims.js';
import { ExpiryClock } from '../messaging/expiry-clock.js';
import { HybridClock } from '../messaging/hybrid-clock.js';
import {
  allocateShared,
  SharedLayout,
  STATE_SERVING,
  STATE_STARTING,
  STORE_READER_EPOCH,
  takesRequests,
  VNODE_HEARTBEAT,
  VNODE_HINTED,
  VNODE_INCARNATION,
  VNODE_STATE,
  type SharedBuffers,
} from '../messaging/layout.js';
import { RingTable } from '../messaging/ring-table.js';
import { hasVnodeBit, setVnodeBit } from '../messaging/vnode-bits.js';
import { BufferLayout, type BufferShape } from '../storage/buffer-layout.js';
import { VNODE_READER_EPOCH } from '../storage/readers.js';
import type { Parts } from './parts.js';

const CLAIMS = 4_096;
/** Room for virtual nodes: those of the start, and some that join. */
export const SLOTS = 22;

/** What the threads of a process share: control words, rings, the table of the ring, object buffers. */
export class ProcessMemory {
  readonly shared: SharedBuffers;
  readonly control: Int32Array;
  readonly layout: SharedLayout;
  readonly bufferLayout: BufferLayout;
  readonly claims: Claims;
  readonly table: RingTable;
  readonly clock: Clock;
  readonly hybrid: HybridClock;
  readonly expiry: ExpiryClock;
  /** Object buffers, by slot. */
  readonly buffers: SharedArrayBuffer[] = [];
  readonly bufferWords: Int32Array[] = [];

  constructor(parts: Parts, callers: number, buffer: BufferShape, clock: Clock) {
    this.bufferLayout = new BufferLayout(buffer);
    this.shared = allocateShared({
      vnodes: SLOTS,
      callers,
      claimsPerCaller: CLAIMS,
      callerRingBytes: 16 << 10,
      vnodeRingBytes: 32 << 10,
    });
    this.control = new Int32Array(this.shared.control);
    this.control[STORE_READER_EPOCH] = 1;
    this.layout = new SharedLayout(this.shared.shape);
    this.claims = parts.claims(this.control, this.layout);
    this.table = new RingTable(this.shared.control, this.shared.topology);
    this.clock = clock;
    this.hybrid = new HybridClock(this.shared.control, () => clock.wallMs());
    this.expiry = new ExpiryClock(this.shared.control, () => clock.wallMs());
  }

  addBuffer(vnode: number, buffer: SharedArrayBuffer): void {
    this.buffers[vnode] = buffer;
    this.bufferWords[vnode] = new Int32Array(buffer);
  }

  /** A new thread of a virtual node begins. Returns its number. */
  beginIncarnation(vnode: number): number {
    const base = this.layout.vnodeWord(vnode);
    const incarnation = this.incarnation(vnode) + 1;
    this.setState(vnode, STATE_STARTING);
    Atomics.store(this.control, base + VNODE_INCARNATION, incarnation);
    Atomics.store(this.control, base + VNODE_READER_EPOCH, 0);
    return incarnation;
  }

  beat(vnode: number): void {
    Atomics.add(this.control, this.layout.vnodeWord(vnode) + VNODE_HEARTBEAT, 1);
  }

  private word(vnode: number, word: number): number {
    return Atomics.load(this.control, this.layout.vnodeWord(vnode) + word);
  }
  setState(vnode: number, state: number): void {
    Atomics.store(this.control, this.layout.vnodeWord(vnode) + VNODE_STATE, state);
  }
  isServing(vnode: number): boolean {
    return takesRequests(this.word(vnode, VNODE_STATE));
  }
  isWhole(vnode: number): boolean {
    return this.word(vnode, VNODE_STATE) === STATE_SERVING;
  }
  incarnation(vnode: number): number {
    return this.word(vnode, VNODE_INCARNATION);
  }

  holdsHintsFor(holder: number, owner: number): boolean {
    return hasVnodeBit(this.control, this.layout.vnodeWord(owner) + VNODE_HINTED, holder);
  }
  setHolds(holder: number, owner: number, holds: boolean): void {
    setVnodeBit(this.control, this.layout.vnodeWord(owner) + VNODE_HINTED, holder, holds);
  }

  /** By which values expire; it does not go back from now on. */
  expiryMs(): number {
    const nowMs = this.expiry.nowMs();
    this.expiry.raise(nowMs);
    return nowMs;
  }
}
