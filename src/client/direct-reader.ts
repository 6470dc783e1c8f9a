import { FaultTable } from '../messaging/fault-table.js';
import {
  SharedLayout,
  STATE_SERVING,
  STORE_OPEN,
  STORE_STATE,
  VNODE_HINTED,
  VNODE_STATE,
} from '../messaging/layout.js';
import { anyVnodeBit } from '../messaging/vnode-bits.js';
import { BufferLayout, TABLE } from '../storage/buffer-layout.js';
import { findIn, tableBase, tableMask } from '../storage/key-index.js';
import { ReaderEpoch } from '../storage/readers.js';
import { KIND_REMOVED, kindAt } from '../storage/record.js';
import type { CallerRing } from './caller-ring.js';
import type { KeyRouter } from './key-router.js';
import type { StoreView } from './view.js';

/**
 * Reads records where they stand, in the object buffers of the virtual nodes. Between `enter` and
 * `leave` whatever was found stays valid: copy it before `leave`.
 *
 * What a read needs to know of the virtual nodes (who serves, for whom hints wait, which table is in
 * force) is looked up once per reader epoch, which counts all of its changes
 * (messaging/reader-epoch.ts): an atomic load is a call in V8, and there would be a dozen per get.
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
  /** Of the epoch: whether the store is open; per virtual node, whether it serves and has all it was sent, and its table. */
  private open = false;
  private readonly readable: Uint8Array;
  private readonly bases: Int32Array;
  private readonly masks: Int32Array;
  /** The buffer of one that serves has not arrived: no epoch will tell. */
  private incomplete = false;

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
    this.readable = new Uint8Array(shape.vnodes);
    this.bases = new Int32Array(shape.vnodes);
    this.masks = new Int32Array(shape.vnodes);
  }

  /**
   * Returns false if the store is not open. The ring is looked at after it is announced that we read:
   * copies that it leaves out may go.
   */
  enter(): boolean {
    if (!this.epoch.enter() || this.incomplete) this.look();
    this.rings.follow();
    return this.open;
  }
  leave(): void {
    this.epoch.leave();
  }

  private look(): void {
    this.open = Atomics.load(this.control, STORE_STATE) === STORE_OPEN;
    this.incomplete = false;
    for (let vnode = 0; vnode < this.layout.shape.vnodes; vnode++) {
      this.readable[vnode] = 0;
      if (!this.isServing(vnode) || this.isHinted(vnode)) continue;
      const words = this.words[vnode] ?? this.meet(vnode);
      if (words === undefined) {
        this.incomplete = true;
        continue;
      }
      const named = Atomics.load(words, TABLE);
      this.bases[vnode] = tableBase(this.bufferLayout, named);
      this.masks[vnode] = tableMask(named);
      this.readable[vnode] = 1;
    }
  }

  private meet(vnode: number): Int32Array | undefined {
    const buffer = this.buffers[vnode];
    if (buffer === undefined) return undefined;
    this.bytes[vnode] = new Uint8Array(buffer);
    return (this.words[vnode] = new Int32Array(buffer));
  }

  /** Whether what was read since `enter` still holds: whoever was readable then is. */
  get unchanged(): boolean {
    return this.epoch.current;
  }

  isServing(vnode: number): boolean {
    return Atomics.load(this.control, this.layout.vnodeWord(vnode) + VNODE_STATE) === STATE_SERVING;
  }

  /** Whether hints may wait for a virtual node anywhere: then it may have missed what their holders have. */
  private isHinted(vnode: number): boolean {
    return anyVnodeBit(this.control, this.layout.vnodeWord(vnode) + VNODE_HINTED);
  }

  /**
   * First word of the located key's record; −1 if it is not in the buffer, the virtual node does not
   * serve, hints wait for it, or the link to it has an injected fault: then only messages tell.
   * Look at {@link unchanged} when the record has been read.
   */
  find(vnode: number, bucket: number, key: KeyRouter): number {
    if (this.readable[vnode] === 0) return -1;
    if (this.faults?.touches(this.faults.sides - 1, vnode) === true) return -1;
    const words = this.words[vnode]!;
    const byte = findIn(
      words,
      this.bases[vnode]!,
      this.masks[vnode]!,
      key.hash,
      bucket,
      key.words,
      key.keyBytes,
    );
    return byte === 0 || kindAt(words, byte >>> 2) === KIND_REMOVED ? -1 : byte >>> 2;
  }

  /** A record was read: its owner asks when it decides what to evict. A lost one costs nothing. */
  noteRead(vnode: number, at: number): void {
    const bytes = this.bytes[vnode]!;
    const byte = this.bufferLayout.readByte(at);
    // A store would take the line from other readers' caches.
    if (bytes[byte] === 0) bytes[byte] = 1;
  }

  count(vnode: number): void {
    const word = this.countWord + vnode;
    this.control[word] = (this.control[word]! + 1) | 0;
  }
}
