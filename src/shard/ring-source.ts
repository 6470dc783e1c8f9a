import {
  CALLER_RING_REVISION,
  type SharedLayout,
  VNODE_HINTED,
  takesRequests,
  VNODE_RING_REVISION,
  VNODE_STATE,
} from '../messaging/layout.js';
import { anyVnodeBit } from '../messaging/vnode-bits.js';
import type { RingTable } from '../messaging/ring-table.js';
import type { RingFact, RingState } from '../ring/state.js';
import type { Reclaimer } from '../storage/readers.js';

/** Where a virtual node learns of ring changes, and says how far it has followed. */
export interface RingSource {
  /** Of the newest state. */
  readonly revision: number;
  read(): RingState;
  /** From now on this virtual node decides by this revision. */
  announce(revision: number): void;
  /** Whether all virtual nodes that serve, and all callers, decide by this revision or a newer one. */
  announced(revision: number): boolean;
  /** Whether anybody may hold hints for a virtual node. */
  hinted(vnode: number): boolean;
  /** Asks for facts to be made durable: a newer state says when they are. May be lost; ask again. */
  report(facts: readonly RingFact[]): void;
}

/** Over the store's shared memory. */
export class SharedRingSource implements RingSource {
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly table: RingTable;
  private readonly ordinal: number;
  private readonly reclaimer: Reclaimer;
  private readonly send: (facts: readonly RingFact[]) => void;
  /** The reader epoch that was raised when a revision was first asked about. */
  private readers = { revision: 0, epoch: 0 };

  constructor(
    control: Int32Array,
    layout: SharedLayout,
    table: RingTable,
    ordinal: number,
    reclaimer: Reclaimer,
    send: (facts: readonly RingFact[]) => void,
  ) {
    this.control = control;
    this.layout = layout;
    this.table = table;
    this.ordinal = ordinal;
    this.reclaimer = reclaimer;
    this.send = send;
  }

  get revision(): number {
    return this.table.revision;
  }

  read(): RingState {
    return this.table.read();
  }

  announce(revision: number): void {
    Atomics.store(this.control, this.layout.vnodeWord(this.ordinal) + VNODE_RING_REVISION, revision);
  }

  /**
   * A thread that does not serve yet reads the table before it does. A caller without requests under
   * way reads it before the next one; one that reads a buffer directly at this moment is met by the
   * readers' epochs: it looks at the revision after it has announced that it reads.
   */
  announced(revision: number): boolean {
    const { control, layout } = this;
    for (let vnode = 0; vnode < layout.shape.vnodes; vnode++) {
      const word = layout.vnodeWord(vnode);
      if (!takesRequests(Atomics.load(control, word + VNODE_STATE))) continue;
      if (Atomics.load(control, word + VNODE_RING_REVISION) < revision) return false;
    }
    for (let caller = 0; caller < layout.shape.callers; caller++) {
      const at = Atomics.load(control, layout.callerWord(caller) + CALLER_RING_REVISION);
      if (at !== 0 && at < revision) return false;
    }
    if (this.readers.revision < revision) this.readers = { revision, epoch: this.reclaimer.retire() };
    return this.reclaimer.passed(this.readers.epoch);
  }

  hinted(vnode: number): boolean {
    return anyVnodeBit(this.control, this.layout.vnodeWord(vnode) + VNODE_HINTED);
  }

  report(facts: readonly RingFact[]): void {
    this.send(facts);
  }
}
