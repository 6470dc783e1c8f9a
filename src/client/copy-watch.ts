import { SharedLayout, VNODE_INCARNATION } from '../messaging/layout.js';
import { APPENDED, CONFIRMED, loadCounter, SYNCED } from '../storage/buffer-layout.js';
import { decodeVector } from '../storage/record-codec.js';
import { type Clock, descends } from '../versions/dvvs.js';
import type { Connection } from './connection.js';
import type { Gets } from './gets.js';
import type { LocatedKey, Policy } from './request.js';
import { writeSync } from './request-frames.js';

/** How long one look waits for owners that do not answer. */
const LOOK_MS = 250;

/** A node that was seen to have the write. */
interface Holder {
  readonly vnode: number;
  readonly incarnation: number;
  /** Everything that its object buffer had when it was seen, the write among it. */
  readonly tail: number;
  onDisk: boolean;
}

/**
 * On how many nodes a write is, and on how many of them on disk. Whoever wants more of them looks again. A
 * node that had it once counts from then on, as one that has acknowledged it.
 */
export class CopyWatch {
  private readonly connection: Connection;
  private readonly gets: Gets;
  private readonly key: LocatedKey;
  private readonly policy: Policy;
  private readonly written: Clock<never>;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  /** By node. */
  private readonly holders = new Map<number, Holder>();
  /** All owners have let it go: they do so only with a deletion that each of them had on disk. */
  private reaped = false;
  /** Those that were asked to sync their journals. */
  private readonly hastened = new Set<number>();

  /** @param written the vector that the put returned */
  constructor(connection: Connection, gets: Gets, key: LocatedKey, policy: Policy, written: Clock<never>) {
    this.connection = connection;
    this.gets = gets;
    this.key = key;
    this.policy = policy;
    this.written = written;
    this.control = new Int32Array(connection.view.shared.control);
    this.layout = new SharedLayout(connection.view.shared.shape);
  }

  /** How many copies there will be at most. */
  get n(): number {
    return this.policy.n;
  }

  /** Whether anything ever gets to a disk. */
  get durable(): boolean {
    return this.connection.view.engine !== 'memory';
  }

  get stored(): number {
    return this.reaped ? this.n : Math.min(this.n, this.holders.size);
  }

  get synced(): number {
    if (!this.durable) return 0;
    if (this.reaped) return this.n;
    let synced = 0;
    for (const holder of this.holders.values()) if (this.isOnDisk(holder)) synced++;
    return Math.min(this.n, synced);
  }

  /**
   * Looks for copies: first where that disturbs nobody, then, if those are not `enough`, by asking.
   * It takes a quarter of a second at most.
   */
  async look(enough: () => boolean): Promise<void> {
    this.connection.assertOpen();
    this.lookDirectly();
    if (enough() || this.stored >= this.n) return;
    const { gets, key, policy, written } = this;
    // Nobody in reach is no news.
    const outcome = await gets.copies(key, policy, LOOK_MS).catch(() => undefined);
    if (outcome === undefined) return;
    const { contributions, degraded } = outcome;
    for (const { vnode, clock } of contributions)
      if (clock !== undefined && descends(clock, written)) this.note(vnode);
    this.reaped ||= !degraded && contributions.every(({ clock }) => clock === undefined);
  }

  /** Has those nodes sync their journals, once, which would else do so when they come to it. */
  hasten(): void {
    if (!this.durable) return;
    const { frames, clock } = this.connection;
    for (const { vnode, onDisk } of this.holders.values()) {
      if (onDisk || this.hastened.has(vnode)) continue;
      this.hastened.add(vnode);
      writeSync(frames, vnode, clock.nowMs() + LOOK_MS);
    }
    this.connection.scheduleFlush();
  }

  private lookDirectly(): void {
    const { direct, router, view } = this.connection;
    if (!view.directReads) return;
    router.locateAgain(this.key);
    const seen: number[] = [];
    try {
      if (!direct.enter()) return;
      const { preference, preferenceLength } = view.ring;
      for (let i = 0; i < this.n; i++) {
        const vnode = preference[this.key.partition * preferenceLength + i]!;
        const at = direct.find(vnode, this.policy.bucket, router);
        if (at >= 0 && descends(decodeVector(direct.words[vnode]!, at), this.written)) seen.push(vnode);
      }
      if (!direct.unchanged) return;
    } finally {
      direct.leave();
    }
    for (const vnode of seen) this.note(vnode);
  }

  private note(vnode: number): void {
    const { nodeIndex } = this.connection.view.ring.vnodes[vnode]!;
    const words = this.bufferOf(vnode);
    const incarnation = this.incarnation(vnode);
    const known = this.holders.get(nodeIndex);
    if (words === undefined || known?.onDisk === true || known?.incarnation === incarnation) return;
    const tail = loadCounter(words, APPENDED);
    this.holders.set(nodeIndex, { vnode, incarnation, tail, onDisk: false });
  }

  private isOnDisk(holder: Holder): boolean {
    // Of another thread's positions nothing follows, if it has lost its data.
    if (holder.onDisk || this.incarnation(holder.vnode) !== holder.incarnation) return holder.onDisk;
    const words = this.bufferOf(holder.vnode)!;
    const reached = Math.max(loadCounter(words, SYNCED), loadCounter(words, CONFIRMED));
    return (holder.onDisk = reached >= holder.tail);
  }

  private bufferOf(vnode: number): Int32Array | undefined {
    const buffer = this.connection.view.buffers[vnode];
    return buffer && new Int32Array(buffer);
  }

  private incarnation(vnode: number): number {
    return Atomics.load(this.control, this.layout.vnodeWord(vnode) + VNODE_INCARNATION);
  }
}
