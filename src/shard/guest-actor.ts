import { entriesAt, ENTRY_WORDS, FIXED_WORDS } from '../storage/record.js';

/** Of 2^32 − 1 dots that one actor can make. */
const MOST_FORGOTTEN = 2 ** 31;

/**
 * The actor under which a virtual node makes dots for keys that it does not own, as a fallback
 * that coordinates because no owner serves. Such a copy is let go, clock and all, when its owner
 * has it; a dot made afterwards under the same actor would be one that others know already, and
 * they would swallow its value (versions.md, trap 3). So the next dot is made under a fresh one.
 *
 * Dots for keys that it owns have an actor of their own: those clocks are never let go, and keys
 * gain an entry per fresh actor only where a fallback has coordinated.
 */
export class GuestActor {
  private readonly fresh: () => number | undefined;
  private current: number | undefined;

  constructor(fresh: () => number | undefined) {
    this.fresh = fresh;
  }

  /** For the next dot; undefined when there is no fresh number at the moment. */
  get(): number | undefined {
    return (this.current ??= this.fresh());
  }

  /** A copy is about to be let go. */
  forget(words: Int32Array, record: number): void {
    if (this.current !== undefined && dotsOf(words, record, this.current) > 0) this.current = undefined;
  }

  /** Copies may go that were kept since, or whose clocks nobody can read. */
  renew(): void {
    this.current = undefined;
  }
}

/**
 * The actor of keys that the virtual node owns. Copies of a partition that it owns no more go, clocks
 * and all; should it own the partition again one day, its dots must be others.
 *
 * When a tombstone is reaped, the dots of its clock are forgotten for this one key. The actor stays,
 * and the next dot of a key without values of it is made above the *floor*, the greatest dot that it
 * has ever forgotten: a fresh actor each time would cost every key an entry, however often something
 * is reaped (docs/decisions/0026). A fresh one is taken where that floor is so high that only a forged
 * context can have brought it there: without a dot left there would be no put of a new key any more.
 */
export class OwnActor {
  private readonly fresh: () => number | undefined;
  private current: number | undefined;
  private greatest: number;

  /** @param floor what the same actor had forgotten before a clean stop */
  constructor(first: number, fresh: () => number | undefined, floor = 0) {
    this.current = first;
    this.fresh = fresh;
    this.greatest = floor;
  }

  get floor(): number {
    return this.greatest;
  }

  floorOf(actor: number): number {
    return actor === this.current ? this.greatest : 0;
  }

  /** A tombstone is about to be reaped. */
  forget(words: Int32Array, record: number): void {
    if (this.current === undefined) return;
    this.greatest = Math.max(this.greatest, dotsOf(words, record, this.current));
    if (this.greatest > MOST_FORGOTTEN) this.renew();
  }

  /** For the next dot; undefined when there is no fresh number at the moment. */
  get(): number | undefined {
    return (this.current ??= this.fresh());
  }

  /** Has made dots that are remembered nowhere else; undefined if a fresh one is to be taken. */
  get inUse(): number | undefined {
    return this.current;
  }

  /** A copy is about to be let go, or partitions come whose keys it may have forgotten. */
  renew(): void {
    this.current = undefined;
    this.greatest = 0;
  }
}

/** n of an actor in a record's clock, 0 if it is not there. */
function dotsOf(words: Int32Array, record: number, actor: number): number {
  const end = record + FIXED_WORDS + entriesAt(words, record) * ENTRY_WORDS;
  for (let entry = record + FIXED_WORDS; entry < end; entry += ENTRY_WORDS) {
    if (words[entry]! >>> 0 === actor) return words[entry + 1]! >>> 0;
  }
  return 0;
}
