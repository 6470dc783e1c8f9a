/**
 * The naive model: every write is remembered with its causal past, as sets of dots. A replica knows
 * a set of writes; those in nobody's past are live. Knows nothing of counters, floors or actors.
 * Sets are bit sets: bit i stands for write i.
 */
export class NaiveHistory {
  private readonly pasts: bigint[] = [];

  /** A write whose client (or counter) had seen `past`; returns its number, which is its value too. */
  write(past: bigint): number {
    this.pasts.push(past);
    return this.pasts.length - 1;
  }

  pastOf(write: number): bigint {
    return this.pasts[write]!;
  }

  /** Writes in `known` that no other write in `known` has in its past. */
  live(known: bigint): number[] {
    let superseded = 0n;
    const writes = this.membersOf(known);
    for (const write of writes) superseded |= this.pasts[write]!;
    return writes.filter((write) => !has(superseded, write));
  }

  membersOf(set: bigint): number[] {
    return this.pasts.map((_, write) => write).filter((write) => has(set, write));
  }
}

export function has(set: bigint, write: number): boolean {
  return ((set >> BigInt(write)) & 1n) === 1n;
}

export function bit(write: number): bigint {
  return 1n << BigInt(write);
}

export function ascending(numbers: readonly number[]): number[] {
  return numbers.toSorted((a, b) => a - b);
}

/** mulberry32, as whole numbers from 0 to below `n`. */
export function seeded(seed: number): (n: number) => number {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
}
