import { align, copyWords, Memory } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import type { FaultTable } from './fault-table.js';
import type { Endpoint, FrameHandler, Outbox } from './transport.js';

/** How much later a frame may come that is overtaken, or that comes a second time. */
const OVERTAKEN_MS = 10;

export interface FaultWorld {
  readonly table: FaultTable;
  nowMs(): number;
  /** 0 ≤ x < 1. */
  random(): number;
}

/** A frame on its way over a slow link. */
interface Held {
  readonly dueMs: number;
  readonly words: Int32Array;
}

class FaultyOutbox implements Outbox {
  words: Int32Array;
  bytes: Uint8Array;
  private readonly inner: Outbox;
  private readonly world: FaultWorld;
  private readonly from: number;
  private readonly to: number;
  /** Ascending by `dueMs`. */
  private held: Held[] = [];
  private heldBytes = 0;
  private lastDueMs = 0;
  /** The frame that is being written; undefined while the inner outbox has it. */
  private heap: Memory | undefined;

  constructor(inner: Outbox, world: FaultWorld, from: number, to: number) {
    this.inner = inner;
    this.world = world;
    this.from = world.table.sideOf(from);
    this.to = world.table.sideOf(to);
    this.words = inner.words;
    this.bytes = inner.bytes;
  }

  get waitingBytes(): number {
    return this.inner.waitingBytes + this.heldBytes;
  }

  get queuedBytes(): number {
    return this.inner.queuedBytes ?? 0;
  }
  get leftBytes(): number {
    return this.inner.leftBytes ?? 0;
  }

  /** When the next frame is due; infinite if none is held. */
  get nextMs(): number {
    return this.held[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  begin(frameBytes: number): number {
    if (this.held.length === 0 && this.world.table.read(this.from, this.to) === undefined) {
      this.heap = undefined;
      const at = this.inner.begin(frameBytes);
      this.words = this.inner.words;
      this.bytes = this.inner.bytes;
      return at;
    }
    this.heap = Memory.allocate(align(frameBytes, 8));
    this.words = this.heap.words;
    this.bytes = this.heap.bytes;
    return 0;
  }

  end(): void {
    const { heap, world } = this;
    if (heap === undefined) {
      this.inner.end();
      return;
    }
    this.heap = undefined;
    const nowMs = world.nowMs();
    const fault = world.table.read(this.from, this.to);
    if (fault === undefined) {
      // Healed, but what was sent before is still under way.
      this.inOrder(heap.words, nowMs, nowMs);
      return;
    }
    if (fault.cut || world.random() < fault.drop) return;
    const dueMs = nowMs + fault.delayMs + (fault.jitterMs > 0 ? fault.jitterMs * world.random() : 0);
    if (world.random() < fault.reorder) this.hold(heap.words, this.later(dueMs));
    else this.inOrder(heap.words, nowMs, dueMs);
    if (world.random() < fault.duplicate) this.hold(heap.words, this.later(dueMs));
  }

  private later(dueMs: number): number {
    return dueMs + OVERTAKEN_MS * this.world.random();
  }

  /** Behind everything that was sent in order before it. */
  private inOrder(words: Int32Array, nowMs: number, dueMs: number): void {
    this.lastDueMs = Math.max(dueMs, this.lastDueMs);
    if (this.lastDueMs <= nowMs) this.pass(words);
    else this.hold(words, this.lastDueMs);
  }

  private hold(words: Int32Array, dueMs: number): void {
    const bytes = words.length * 4;
    // A link that can hold no more loses.
    if (this.held.length >= LIMITS.heldFrames || this.heldBytes + bytes > LIMITS.outboxBytes) return;
    let at = this.held.length;
    while (at > 0 && this.held[at - 1]!.dueMs > dueMs) at--;
    this.held.splice(at, 0, { dueMs, words });
    this.heldBytes += bytes;
  }

  private pass(words: Int32Array): void {
    const at = this.inner.begin(words.length * 4);
    copyWords(words, 0, this.inner.words, at, words.length);
    this.inner.end();
  }

  /** Passes on what is due, or loses it if the link was cut meanwhile. */
  release(nowMs: number): void {
    if (this.nextMs > nowMs) return;
    const cut = this.world.table.read(this.from, this.to)?.cut === true;
    let due = 0;
    for (; due < this.held.length && this.held[due]!.dueMs <= nowMs; due++) {
      const { words } = this.held[due]!;
      this.heldBytes -= words.length * 4;
      if (!cut) this.pass(words);
    }
    this.held.splice(0, due);
  }
}

/**
 * An endpoint whose links can be broken while the store runs, over any other endpoint. What happens
 * to a frame is decided where it is sent. It exists only where faults are allowed; a link without a
 * fault writes straight into the endpoint below.
 */
export class FaultyEndpoint implements Endpoint {
  readonly party: number;
  private readonly inner: Endpoint;
  private readonly world: FaultWorld;
  private readonly outboxes: (FaultyOutbox | undefined)[] = [];

  constructor(inner: Endpoint, world: FaultWorld) {
    this.inner = inner;
    this.world = world;
    this.party = inner.party;
  }

  to(peer: number): Outbox {
    return (this.outboxes[peer] ??= new FaultyOutbox(this.inner.to(peer), this.world, this.party, peer));
  }

  grow(vnodes: number): void {
    this.inner.grow(vnodes);
  }

  drain(budget: number, handle: FrameHandler, onPart?: (from: number) => void): boolean {
    return this.inner.drain(budget, handle, onPart);
  }

  flush(): void {
    const nowMs = this.world.nowMs();
    for (const outbox of this.outboxes) outbox?.release(nowMs);
    this.inner.flush();
  }

  idle(): boolean {
    return this.inner.idle() && this.nextMs > this.world.nowMs();
  }

  get blocked(): boolean {
    return this.inner.blocked || this.nextMs < Number.POSITIVE_INFINITY;
  }

  /** When a frame is due that waits here: its sender must flush then. */
  get nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const outbox of this.outboxes) {
      if (outbox !== undefined) nextMs = Math.min(nextMs, outbox.nextMs);
    }
    return nextMs;
  }
}
