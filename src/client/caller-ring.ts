import { CALLER_RING_REVISION, type SharedLayout } from '../messaging/layout.js';
import type { RingTable } from '../messaging/ring-table.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';

/**
 * Where a caller's code finds the ring as it is now: a field to read, not an accessor in a literal, for V8
 * keeps an object with one as a hash table.
 */
export interface CallerRings {
  readonly current: Ring;
  follow(): void;
  enter(): void;
  leave(): void;
}

/**
 * The ring as one caller knows it. It looks for a newer one whenever it does anything; while requests
 * are under way it announces which one they follow from, since old copies may go only when nobody
 * asks for them any more. A caller without requests announces nothing: before the next one it looks.
 */
export class CallerRing implements CallerRings {
  current: Ring;
  private readonly control: Int32Array;
  private readonly word: number;
  private readonly table: RingTable;
  private readonly changed: (ring: Ring) => void;
  private entered = false;

  /** @param changed told of every new ring, before anything is decided by it */
  constructor(
    ring: Ring,
    control: Int32Array,
    layout: SharedLayout,
    caller: number,
    table: RingTable,
    changed: (ring: Ring) => void,
  ) {
    this.current = ring;
    this.control = control;
    this.word = layout.callerWord(caller) + CALLER_RING_REVISION;
    this.table = table;
    this.changed = changed;
  }

  follow(): void {
    if (this.table.revision !== this.current.revision) this.takeOver();
  }

  private takeOver(): void {
    if (this.table.revision === 0) return;
    this.current = ringOfState(this.table.read());
    this.changed(this.current);
    if (this.entered) Atomics.store(this.control, this.word, this.current.revision);
  }

  /** Before the first request: what is found after the announcement counts. */
  enter(): void {
    this.entered = true;
    do {
      this.follow();
      Atomics.store(this.control, this.word, this.current.revision);
    } while (this.table.revision !== this.current.revision);
  }

  /** After the last one. */
  leave(): void {
    this.entered = false;
    Atomics.store(this.control, this.word, 0);
  }
}
