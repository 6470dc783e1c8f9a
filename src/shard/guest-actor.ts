import { entriesAt, ENTRY_WORDS, FIXED_WORDS } from '../storage/record.js';

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
    const end = record + FIXED_WORDS + entriesAt(words, record) * ENTRY_WORDS;
    for (let entry = record + FIXED_WORDS; entry < end; entry += ENTRY_WORDS) {
      if (words[entry]! >>> 0 === this.current) this.current = undefined;
    }
  }
}
