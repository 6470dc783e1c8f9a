/**
 * Faults of links and disks, in shared memory of their own, which only a store has that was opened
 * with faults allowed (`SharedBuffers.faults`). Words:
 *
 *   0         number of armed pairs: while it is 0 nobody looks further
 *   16…       per directed pair of sides, 8 words at 16 + (from * sides + to) * 8:
 *             0 armed   1 cut   2 drop   3 duplicate   4 reorder (each per million)
 *             5 delay   6 jitter (microseconds)   7 –
 *   behind    per virtual node 4 words: 0 armed   1 slow (microseconds)   2 full   3 syncs fail
 *
 * Sides are the virtual nodes 0…V−1 and, as side V, all callers together. One writer, the thread
 * that opened the store; every party reads the pairs that leave it, callers also those that come
 * to them. "Armed" is stored last and cleared first; a reader that meets a change half done uses
 * numbers of the one and of the other, which is a fault too.
 */
const ARMED_PAIRS = 0;
const PAIRS_AT = 16;
const PAIR_WORDS = 8;
const DISK_WORDS = 4;
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

/** What the disk of a virtual node is made to do (storage/faulty-disk.ts). */
export interface DiskFault {
  /** Everything takes so much longer. */
  readonly slowMs: number;
  readonly full: boolean;
  /** No sync succeeds. */
  readonly failSync: boolean;
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
    return new SharedArrayBuffer((PAIRS_AT + (vnodes + 1) ** 2 * PAIR_WORDS + vnodes * DISK_WORDS) * 4);
  }

  /** The side of a party: a virtual node is its own, callers are one. */
  sideOf(party: number): number {
    return Math.min(party, this.vnodes);
  }

  private pairWord(from: number, to: number): number {
    return PAIRS_AT + (from * this.sides + to) * PAIR_WORDS;
  }

  private diskWord(vnode: number): number {
    return PAIRS_AT + this.sides ** 2 * PAIR_WORDS + vnode * DISK_WORDS;
  }

  /** The fault of a virtual node's disk. */
  readDisk(vnode: number): DiskFault | undefined {
    const { words } = this;
    const at = this.diskWord(vnode);
    if (Atomics.load(words, at) === 0) return undefined;
    return { slowMs: words[at + 1]! / 1_000, full: words[at + 2] === 1, failSync: words[at + 3] === 1 };
  }

  /** Replaces what is armed for a disk; `undefined` heals it. */
  setDisk(vnode: number, fault: DiskFault | undefined): void {
    const { words } = this;
    const at = this.diskWord(vnode);
    Atomics.store(words, at, 0);
    if (fault === undefined) return;
    words[at + 1] = Math.round(fault.slowMs * 1_000);
    words[at + 2] = fault.full ? 1 : 0;
    words[at + 3] = fault.failSync ? 1 : 0;
    Atomics.store(words, at, 1);
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
