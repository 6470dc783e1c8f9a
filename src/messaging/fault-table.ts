/**
 * Faults of links, in shared memory of their own, which only a store has that was opened with
 * faults allowed (`SharedBuffers.faults`). Words:
 *
 *   0         number of armed pairs: while it is 0 nobody looks further
 *   16…       per directed pair of sides, 8 words at 16 + (from * sides + to) * 8:
 *             0 armed   1 cut   2 drop   3 duplicate   4 reorder (each per million)
 *             5 delay   6 jitter (microseconds)   7 –
 *
 * Sides are the virtual nodes 0…V−1 and, as side V, all callers together. One writer, the thread
 * that opened the store; every party reads the pairs that leave it, callers also those that come
 * to them. "Armed" is stored last and cleared first; a reader that meets a change half done uses
 * numbers of the one and of the other, which is a fault too.
 */
const ARMED_PAIRS = 0;
const PAIRS_AT = 16;
const PAIR_WORDS = 8;
const MILLION = 1_000_000;

/** What happens to frames of one directed pair. Probabilities are 0 to 1. */
export interface LinkFault {
  /** Nothing arrives. */
  readonly cut: boolean;
  readonly drop: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly delayMs: number;
  /** Up to so much more, evenly distributed. */
  readonly jitterMs: number;
}

export class FaultTable {
  private readonly words: Int32Array;
  private readonly vnodes: number;
  readonly sides: number;

  constructor(buffer: SharedArrayBuffer, vnodes: number) {
    this.words = new Int32Array(buffer);
    this.vnodes = vnodes;
    this.sides = vnodes + 1;
  }

  static allocate(vnodes: number): SharedArrayBuffer {
    return new SharedArrayBuffer((PAIRS_AT + (vnodes + 1) ** 2 * PAIR_WORDS) * 4);
  }

  /** The side of a party: a virtual node is its own, callers are one. */
  sideOf(party: number): number {
    return Math.min(party, this.vnodes);
  }

  private pairWord(from: number, to: number): number {
    return PAIRS_AT + (from * this.sides + to) * PAIR_WORDS;
  }

  /** The fault on the way from one side to another. */
  read(from: number, to: number): LinkFault | undefined {
    const { words } = this;
    if (Atomics.load(words, ARMED_PAIRS) === 0) return undefined;
    const at = this.pairWord(from, to);
    if (Atomics.load(words, at) === 0) return undefined;
    return {
      cut: words[at + 1] === 1,
      drop: words[at + 2]! / MILLION,
      duplicate: words[at + 3]! / MILLION,
      reorder: words[at + 4]! / MILLION,
      delayMs: words[at + 5]! / 1_000,
      jitterMs: words[at + 6]! / 1_000,
    };
  }

  /** Whether either way between two sides has a fault. */
  touches(one: number, other: number): boolean {
    const { words } = this;
    if (Atomics.load(words, ARMED_PAIRS) === 0) return false;
    return (
      Atomics.load(words, this.pairWord(one, other)) === 1 ||
      Atomics.load(words, this.pairWord(other, one)) === 1
    );
  }

  /** Replaces what is armed on the way from one side to another; `undefined` heals it. */
  set(from: number, to: number, fault: LinkFault | undefined): void {
    const { words } = this;
    const at = this.pairWord(from, to);
    const was = Atomics.exchange(words, at, 0);
    if (fault !== undefined) {
      words[at + 1] = fault.cut ? 1 : 0;
      words[at + 2] = Math.round(fault.drop * MILLION);
      words[at + 3] = Math.round(fault.duplicate * MILLION);
      words[at + 4] = Math.round(fault.reorder * MILLION);
      words[at + 5] = Math.round(fault.delayMs * 1_000);
      words[at + 6] = Math.round(fault.jitterMs * 1_000);
      Atomics.store(words, at, 1);
    }
    Atomics.add(words, ARMED_PAIRS, (fault === undefined ? 0 : 1) - was);
  }
}
