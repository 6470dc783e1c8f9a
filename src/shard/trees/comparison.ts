import { numberOf } from './digest.js';
import type { Listing } from './listing.js';

/** Keys looked at in one step. */
const STEP = 256;

/**
 * Finds what each of two lists of digests has alone, a little at a time: to look at all that an exchange
 * lists at once takes milliseconds, for which requests would wait.
 */
export class Comparison {
  /** Digest → position in the peer's list. */
  private readonly theirs = new Map<number, number>();
  /** By position in the peer's list: 1 if it is in ours. */
  private here = new Uint8Array(0);
  private listed = 0;
  private looked = 0;
  /** Positions in our list. */
  readonly surplus: number[] = [];

  /** How many the peer has listed by now. */
  get length(): number {
    return this.listed;
  }

  /** The next one that the peer lists. */
  add(digest: number): void {
    this.theirs.set(digest, this.listed++);
  }

  /** Whether the peer has listed it. */
  has(digest: number): boolean {
    return this.theirs.has(digest);
  }

  /** Both lists are complete. True if there is more to do. */
  step(ours: Listing): boolean {
    if (this.looked === 0) this.here = new Uint8Array(this.listed);
    const end = Math.min(ours.length, this.looked + STEP);
    for (; this.looked < end; this.looked++) {
      const position = this.theirs.get(numberOf(ours.lowAt(this.looked), ours.highAt(this.looked)));
      if (position === undefined) this.surplus.push(this.looked);
      else this.here[position] = 1;
    }
    return end < ours.length;
  }

  /** Positions in the peer's list, once all of ours were looked at. */
  wanted(): number[] {
    const wanted: number[] = [];
    for (let position = 0; position < this.listed; position++)
      if (this.here[position] === 0) wanted.push(position);
    return wanted;
  }
}
