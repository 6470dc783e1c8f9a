/**
 * Merkle trees over the key hash with a fixed fan of 64: the root, 64 branches, and, when the store
 * has few partitions, 4,096 leaves. A node's hash is the XOR of the digests of all records below
 * it, so that a record is taken out or put in without looking at any other.
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

/**
 * The trees of all partitions for one n, in one array: per partition the root, the branches, the
 * leaves, two words each. It is at most 8.5 MiB of address space; memory is used only by the pages
 * that records fall into.
 */
export class Forest {
  /** Per partition: records taken in and not out again. */
  readonly records: Int32Array;
  private readonly depth: number;
  private readonly treeWords: number;
  private readonly hashes: Int32Array;

  constructor(partitions: number) {
    this.depth = depthFor(partitions);
    this.treeWords = 2 * firstOf(this.depth + 1);
    this.hashes = new Int32Array(partitions * this.treeWords);
    this.records = new Int32Array(partitions);
  }

  /** @param by 1 takes a record in, −1 takes it out again, 0 does both with two versions of a key */
  change(by: 1 | 0 | -1, partition: number, keyHash: number, low: number, high: number): void {
    const { hashes } = this;
    this.records[partition] = this.records[partition]! + by;
    for (let level = 0; level <= this.depth; level++) {
      const word = this.wordOf(partition, level, indexOf(level, keyHash));
      hashes[word] = hashes[word]! ^ low;
      hashes[word + 1] = hashes[word + 1]! ^ high;
    }
  }

  /** Takes all records of a partition out. */
  clear(partition: number): void {
    this.records[partition] = 0;
    this.hashes.fill(0, partition * this.treeWords, (partition + 1) * this.treeWords);
  }

  low(partition: number, level: number, index: number): number {
    return this.hashes[this.wordOf(partition, level, index)]!;
  }
  high(partition: number, level: number, index: number): number {
    return this.hashes[this.wordOf(partition, level, index) + 1]!;
  }

  private wordOf(partition: number, level: number, index: number): number {
    return partition * this.treeWords + 2 * (firstOf(level) + index);
  }
}

/** Nodes above a level. */
function firstOf(level: number): number {
  return level === 0 ? 0 : level === 1 ? 1 : level === 2 ? 1 + FAN : 1 + FAN + FAN * FAN;
}
