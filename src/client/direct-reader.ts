import { FaultTable } from '../messaging/fault-table.js';
import { SharedLayout, STATE_SERVING, VNODE_HINTED, VNODE_STATE } from '../messaging/layout.js';
import { anyVnodeBit } from '../messaging/vnode-bits.js';
import { BufferLayout } from '../storage/buffer-layout.js';
import { findRecord } from '../storage/key-index.js';
import { ReaderEpoch } from '../storage/readers.js';
import { KIND_REMOVED, kindAt } from '../storage/record.js';
import type { CallerRing } from './caller-ring.js';
import type { KeyRouter } from './key-router.js';
import type { StoreView } from './view.js';

/**
 * Reads records where they stand, in the object buffers of the virtual nodes. Between `enter` and
 * `leave` whatever was found stays valid: copy it before `leave`.
 */
export class DirectReader {
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly bufferLayout: BufferLayout;
  private readonly epoch: ReaderEpoch;
  private readonly countWord: number;
  private readonly faults: FaultTable | undefined;
  /** Per virtual node, the buffer as words and bytes; filled as they are looked at. */
  readonly words: Int32Array[] = [];
  readonly bytes: Uint8Array[] = [];
  private readonly buffers: StoreView['buffers'];
  private readonly rings: CallerRing;

  constructor(view: StoreView, caller: number, rings: CallerRing) {
    this.rings = rings;
    this.buffers = view.buffers;
    this.control = new Int32Array(view.shared.control);
    this.layout = new SharedLayout(view.shared.shape);
    this.bufferLayout = new BufferLayout(view.bufferShape);
    const callerWord = this.layout.callerWord(caller);
    this.epoch = new ReaderEpoch(this.control, callerWord);
    this.countWord = this.layout.directReadsWord(caller, 0);
    const { faults, shape } = view.shared;
    this.faults = faults && new FaultTable(faults, shape.vnodes);
  }

  /** The ring is looked at after it is announced that we read: copies that it leaves out may go. */
  enter(): void {
    this.epoch.enter();
    this.rings.follow();
  }
  leave(): void {
    this.epoch.leave();
  }

  isServing(vnode: number): boolean {
    return Atomics.load(this.control, this.layout.vnodeWord(vnode) + VNODE_STATE) === STATE_SERVING;
  }

  /** Whether hints may wait for a virtual node anywhere: then it may have missed what their holders have. */
  isHinted(vnode: number): boolean {
    return anyVnodeBit(this.control, this.layout.vnodeWord(vnode) + VNODE_HINTED);
  }

  /**
   * First word of the located key's record; −1 if it is not in the buffer, the virtual node does not
   * serve, or the link to it has an injected fault: then only messages tell what the fault does.
   */
  find(vnode: number, bucket: number, key: KeyRouter): number {
    if (!this.isServing(vnode) || this.faults?.touches(this.faults.sides - 1, vnode) === true) return -1;
    const words = this.words[vnode] ?? this.meet(vnode);
    if (words === undefined) return -1;
    const byte = findRecord(words, this.bufferLayout, key.hash, bucket, key.words, key.keyBytes);
    if (byte === 0 || !this.isServing(vnode)) return -1;
    return kindAt(words, byte >>> 2) === KIND_REMOVED ? -1 : byte >>> 2;
  }

  private meet(vnode: number): Int32Array | undefined {
    const buffer = this.buffers[vnode];
    if (buffer === undefined) return undefined;
    this.bytes[vnode] = new Uint8Array(buffer);
    return (this.words[vnode] = new Int32Array(buffer));
  }

  count(vnode: number): void {
    const word = this.countWord + vnode;
    this.control[word] = (this.control[word]! + 1) | 0;
  }
}
