/**
 * A Merkle tree over the key hash, with a fixed fan of 64: the root, 64 branches, and, when the
 * store has few partitions, 4,096 leaves. A node's hash is the XOR of the digests of all records
 * below it, so that a record is taken out or put in without looking at any other.
 *
 * Leaves come in blocks, one per branch, made when the first record arrives: an empty tree costs
 * half a KiB, a full one 33 KiB.
 */
export const FAN_BITS = 6;
export const FAN = 1 << FAN_BITS;

/** Stores with more partitions than this have trees without the lowest level. */
const DEEP_PARTITIONS = 256;

/** Levels below the root: all replicas must agree, so it follows from the ring alone. */
export function depthFor(partitions: number): number {
  return partitions <= DEEP_PARTITIONS ? 2 : 1;
}

/** The node of a level under which a key is found; level 0 is the root. */
export function indexOf(level: number, keyHash: number): number {
  return level === 0 ? 0 : keyHash >>> (32 - level * FAN_BITS);
}

export class Tree {
  /** Records taken in and not out again. */
  records = 0;
  private readonly depth: number;
  /** Root, then the branches: two words each. */
  private readonly top = new Int32Array(2 * (1 + FAN));
  private readonly blocks: (Int32Array | undefined)[];

  constructor(depth: number) {
    this.depth = depth;
    this.blocks = depth === 2 ? Array.from({ length: FAN }, () => undefined) : [];
  }

  /** @param by 1 takes a record in, −1 takes it out again, 0 does both with two versions of a key */
  change(by: 1 | 0 | -1, keyHash: number, low: number, high: number): void {
    const { top } = this;
    this.records += by;
    const branch = keyHash >>> (32 - FAN_BITS);
    const at = 2 + 2 * branch;
    top[0] = top[0]! ^ low;
    top[1] = top[1]! ^ high;
    top[at] = top[at]! ^ low;
    top[at + 1] = top[at + 1]! ^ high;
    if (this.depth < 2) return;
    const block = (this.blocks[branch] ??= new Int32Array(2 * FAN));
    const leaf = 2 * ((keyHash >>> (32 - 2 * FAN_BITS)) & (FAN - 1));
    block[leaf] = block[leaf]! ^ low;
    block[leaf + 1] = block[leaf + 1]! ^ high;
  }

  low(level: number, index: number): number {
    return this.word(level, index, 0);
  }
  high(level: number, index: number): number {
    return this.word(level, index, 1);
  }

  private word(level: number, index: number, half: number): number {
    if (level === 0) return this.top[half]!;
    if (level === 1) return this.top[2 + 2 * index + half]!;
    return this.blocks[index >>> FAN_BITS]?.[2 * (index & (FAN - 1)) + half] ?? 0;
  }
}
