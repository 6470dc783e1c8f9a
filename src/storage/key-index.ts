import { keyEquals } from './record.js';
import { type BufferLayout, LIVE_KEYS, MIN_TABLE_BITS, TABLE } from './buffer-layout.js';

/**
 * The hash index of an object buffer: open addressing over pairs of words, tag then place.
 *
 * tag 0 = never used; place 0 = used but dead (the key is not in the buffer). place is the
 * record's byte offset / 8. A slot never moves; the tag is stored before the place, and a reader
 * always compares the key in the record, so a slot may be given to another key while it is dead.
 * Growing builds a table in the other region, a slice per turn, while every change goes to both;
 * TABLE then names the new one, and the old region is left alone until all readers have moved on.
 */
interface Table {
  readonly base: number;
  readonly bits: number;
}

function tag(hash: number): number {
  return hash === 0 ? 1 : hash;
}

/** The record of a key as any thread may look it up, inside a reader's epoch: its byte offset, or 0. */
export function findRecord(
  words: Int32Array,
  layout: BufferLayout,
  hash: number,
  bucket: number,
  key: Int32Array,
  keyBytes: number,
): number {
  const named = Atomics.load(words, TABLE);
  return findIn(words, tableBase(layout, named), tableMask(named), hash, bucket, key, keyBytes);
}

/** First word of the table that a value of TABLE names, and its slots less one. */
export function tableBase(layout: BufferLayout, named: number): number {
  return layout.tableWord(named & 1);
}
export function tableMask(named: number): number {
  return (1 << (named >>> 1)) - 1;
}

/**
 * {@link findRecord} in the table that was in force at the reader's epoch. Only the place is loaded
 * atomically: it is what makes the record's words visible. The tag is but a filter in front of the
 * key's comparison; read while it changes it may be the old or the new one, and the key is then
 * found or not, as if it was looked up a moment earlier or later.
 */
export function findIn(
  words: Int32Array,
  base: number,
  mask: number,
  hash: number,
  bucket: number,
  key: Int32Array,
  keyBytes: number,
): number {
  const wanted = tag(hash);
  for (let slot = wanted & mask; ; slot = (slot + 1) & mask) {
    const at = base + slot * 2;
    const found = words[at]!;
    if (found === 0) return 0;
    if (found !== wanted) continue;
    const place = Atomics.load(words, at + 1) >>> 0;
    if (place !== 0 && keyEquals(words, place * 2, bucket, key, keyBytes)) return place * 8;
  }
}

const FULL = 0.7;
const EXHAUSTED = 0.95;
/** The shortest record of a key that is not removed has 72 bytes, and there is a slot for each 64. */
const CROWDED = 0.9;
const SLICE = 4096;

/** The owner's side. */
export class KeyIndex {
  private readonly words: Int32Array;
  private readonly layout: BufferLayout;
  private table: Table;
  private region: number;
  /** Slots with a tag, live or dead. */
  private used = 0;
  private live = 0;
  private next: (Table & { used: number; cursor: number }) | undefined;
  /** Words of the next table that are zero already; it takes no entries before all are. */
  private cleared = 0;
  /** Whether the last `put` took a slot that had never been used. */
  private tookFresh = false;
  /** Raised when the other region may still have readers; reset by {@link regionFree}. */
  private regionBusy = false;

  constructor(words: Int32Array, layout: BufferLayout) {
    this.words = words;
    this.layout = layout;
    if (words[TABLE] === 0) words[TABLE] = MIN_TABLE_BITS << 1;
    const named = words[TABLE]!;
    this.region = named & 1;
    this.table = { base: layout.tableWord(this.region), bits: named >>> 1 };
    const slots = 1 << this.table.bits;
    for (let slot = 0; slot < slots; slot++) {
      const at = this.table.base + slot * 2;
      if (words[at] !== 0) this.used++;
      if (words[at + 1] !== 0) this.live++;
    }
    Atomics.store(words, LIVE_KEYS, this.live);
    // A predecessor may have died while it built the next table, or just after it left the old one.
    this.regionBusy = true;
  }

  get keys(): number {
    return this.live;
  }

  find(hash: number, bucket: number, key: Int32Array, keyBytes: number): number {
    const { base, bits } = this.table;
    return findIn(this.words, base, (1 << bits) - 1, hash, bucket, key, keyBytes);
  }

  /** Points a key at a record. Returns the byte offset of the record that it replaces, or 0. */
  set(hash: number, bucket: number, key: Int32Array, keyBytes: number, byte: number): number {
    const before = this.put(this.table, hash, bucket, key, keyBytes, byte);
    if (this.tookFresh) this.used++;
    if (before === 0) this.countLive(1);
    if (this.next !== undefined) {
      this.put(this.next, hash, bucket, key, keyBytes, byte);
      if (this.tookFresh) this.next.used++;
    }
    return before;
  }

  /** Forgets a key if it still points at this record. */
  unlink(hash: number, byte: number): boolean {
    if (this.next !== undefined) this.clear(this.next, hash, byte);
    if (!this.clear(this.table, hash, byte)) return false;
    this.countLive(-1);
    return true;
  }

  /** Whether the index still points at this record: it is the newest of its key. */
  pointsAt(hash: number, byte: number): boolean {
    return this.slotOf(this.table, hash, byte) >= 0;
  }

  /** Where {@link visit} meets the key that points at this record, in the table in force; −1 if none does. */
  slotNumber(hash: number, byte: number): number {
    const at = this.slotOf(this.table, hash, byte);
    return at < 0 ? -1 : (at - this.table.base) / 2;
  }

  /** Changes with every new table: a walk that sees another one begins anew. */
  tableNumber = 0;

  /** Visits the live places of some slots; true when the end was reached. */
  visit(from: number, slots: number, visit: (byte: number) => void): boolean {
    const size = 1 << this.table.bits;
    const end = Math.min(size, from + slots);
    for (let slot = from; slot < end; slot++) {
      const place = this.words[this.table.base + slot * 2 + 1]! >>> 0;
      if (place !== 0) visit(place * 8);
    }
    return end === size;
  }

  /** The region left behind at the last switch has no readers any more. */
  regionFree(): void {
    this.regionBusy = false;
  }

  get needsFreeRegion(): boolean {
    return this.regionBusy && this.full;
  }

  /** Whether {@link step} has work. */
  get growing(): boolean {
    return this.next !== undefined || (this.full && !this.regionBusy);
  }

  private get full(): boolean {
    const size = 1 << this.table.bits;
    if (this.used <= FULL * size) return false;
    // The largest table is built anew only for the sake of its dead slots.
    return this.table.bits < this.layout.shape.maxTableBits || this.used - this.live > size / 32;
  }

  /** It cannot grow, and holds more keys than there would be of any records but those of keys that are removed. */
  get crowded(): boolean {
    return this.table.bits === this.layout.shape.maxTableBits && this.live > CROWDED * (1 << this.table.bits);
  }

  /**
   * No slot can be taken any more before the next table is in force: whoever adds a key asks before each one.
   * A look-up, of any thread, ends at a slot that was never used.
   */
  get exhausted(): boolean {
    const size = 1 << this.table.bits;
    if (this.used > EXHAUSTED * size) return true;
    if (this.next === undefined) return false;
    // The next table must still take whatever has not been carried over.
    const left = this.live * (1 - this.next.cursor / size);
    return this.next.used + left > EXHAUSTED * (1 << this.next.bits);
  }

  /** Moves growth on by one slice. Returns true at the moment a new table came into force. */
  step(): boolean {
    if (this.next === undefined) {
      if (this.full && !this.regionBusy) this.begin();
      return false;
    }
    const { next } = this;
    const slots = 1 << this.table.bits;
    const end = Math.min(slots, next.cursor + SLICE);
    for (; next.cursor < end; next.cursor++) {
      const at = this.table.base + next.cursor * 2;
      const place = this.words[at + 1]!;
      if (place !== 0) this.carry(next, this.words[at]!, place);
    }
    if (next.cursor < slots) return false;
    this.region ^= 1;
    this.table = { base: next.base, bits: next.bits };
    this.used = next.used;
    this.next = undefined;
    this.regionBusy = true;
    this.tableNumber++;
    Atomics.store(this.words, TABLE, this.region | (this.table.bits << 1));
    return true;
  }

  /** Clears the other region, a slice per turn, and then opens the next table there. */
  private begin(): void {
    const wanted = Math.ceil(Math.log2(this.live / 0.45 + 1));
    const bits = Math.min(this.layout.shape.maxTableBits, Math.max(MIN_TABLE_BITS, wanted));
    const base = this.layout.tableWord(this.region ^ 1);
    const size = (1 << bits) * 2;
    const end = Math.min(size, this.cleared + 16 * SLICE);
    this.words.fill(0, base + this.cleared, base + end);
    this.cleared = end;
    if (end < size) return;
    this.cleared = 0;
    this.next = { base, bits, used: 0, cursor: 0 };
  }

  /** Copies a slot into the next table unless a newer one is there already: same tag and place means same record. */
  private carry(next: Table & { used: number }, slotTag: number, place: number): void {
    const mask = (1 << next.bits) - 1;
    for (let slot = slotTag & mask; ; slot = (slot + 1) & mask) {
      const at = next.base + slot * 2;
      const found = this.words[at]!;
      if (found === slotTag && this.words[at + 1] === place) return;
      if (found === 0) {
        this.words[at + 1] = place;
        this.words[at] = slotTag;
        next.used++;
        return;
      }
    }
  }

  private put(
    table: Table,
    hash: number,
    bucket: number,
    key: Int32Array,
    keyBytes: number,
    byte: number,
  ): number {
    const { words } = this;
    this.tookFresh = false;
    const mask = (1 << table.bits) - 1;
    const wanted = tag(hash);
    let dead = -1;
    for (let slot = wanted & mask; ; slot = (slot + 1) & mask) {
      const at = table.base + slot * 2;
      const found = words[at]!;
      if (found === 0) {
        const target = dead >= 0 ? dead : at;
        Atomics.store(words, target, wanted);
        Atomics.store(words, target + 1, byte / 8);
        this.tookFresh = dead < 0;
        return 0;
      }
      const place = words[at + 1]! >>> 0;
      if (place === 0) {
        if (dead < 0) dead = at;
      } else if (found === wanted && keyEquals(words, place * 2, bucket, key, keyBytes)) {
        Atomics.store(words, at + 1, byte / 8);
        return place * 8;
      }
    }
  }

  private slotOf(table: Table, hash: number, byte: number): number {
    const mask = (1 << table.bits) - 1;
    const wanted = tag(hash);
    for (let slot = wanted & mask; ; slot = (slot + 1) & mask) {
      const at = table.base + slot * 2;
      const found = this.words[at]!;
      if (found === 0) return -1;
      if (found === wanted && this.words[at + 1]! >>> 0 === byte / 8) return at;
    }
  }

  private clear(table: Table, hash: number, byte: number): boolean {
    const at = this.slotOf(table, hash, byte);
    if (at < 0) return false;
    Atomics.store(this.words, at + 1, 0);
    return true;
  }

  private countLive(by: number): void {
    this.live += by;
    Atomics.store(this.words, LIVE_KEYS, this.live);
  }
}
