import { bucketAt, partitionAt, W_KEY_HASH } from '../../storage/record.js';
import { LIMITS } from '../../base/limits.js';
import { keepsCopies, otherOwners } from '../../ring/live-ring.js';
import { STAYS } from '../../ring/ring.js';
import type { VnodeEnvironment } from '../environment.js';
import { Digest } from './digest.js';
import { indexOfNode, levelOfNode, nodeOf, partitionOfNode, replicasOfNode } from './nodes.js';
import { depthFor, FAN, FAN_BITS, Forest, indexOf } from './tree.js';

/** Listed keys take the bytes of as many nodes: four levels' worth. */
const FEW = 4 * FAN;

type TreeEnvironment = Pick<VnodeEnvironment, 'ordinal' | 'ring' | 'replicasOf' | 'caches'>;

/**
 * The trees of one virtual node: one per partition and replica set. Buckets with the same n share
 * the first n owners of a partition, so (partition, n) names the set. Only partitions that this
 * virtual node owns for the bucket's n have one, and n = 1 has nobody to compare with. Trees are
 * made when the first record of an n arrives; one that is not there is equal to an empty one.
 */
export class TreeSet {
  readonly depth: number;
  private readonly env: TreeEnvironment;
  /** Per partition: bit n is set if this virtual node keeps copies of buckets with n. */
  private covered: Uint16Array;
  /** By n. */
  private forests: (Forest | undefined)[] = [];
  private readonly digest = new Digest();

  constructor(env: TreeEnvironment) {
    this.env = env;
    this.depth = depthFor(env.ring.partitions);
    this.covered = this.cover();
  }

  /**
   * Says which trees are kept here from now on. Returns the partitions that have new ones of an n in use: what is
   * stored for them already is not in them.
   */
  ringChanged(): number[] {
    const before = this.covered;
    this.covered = this.cover();
    let inUse = 0;
    for (const n of this.replicasInUse()) inUse |= 1 << n;
    const partitions = Array.from(this.covered.keys());
    return partitions.filter((p) => (this.covered[p]! & ~before[p]! & inUse) !== 0);
  }

  private cover(): Uint16Array {
    const { ring, ordinal } = this.env;
    const covered = new Uint16Array(ring.partitions);
    for (let partition = 0; partition < ring.partitions; partition++) {
      for (let n = 1; n <= LIMITS.replicas && n <= ring.preferenceLength; n++)
        if (this.keeps(ordinal, partition, n)) covered[partition]! |= 1 << n;
    }
    return covered;
  }

  /** Whether a virtual node has a tree. With n = 1 there is nobody to compare with, unless the partition moves. */
  private keeps(vnode: number, partition: number, n: number): boolean {
    const { ring } = this.env;
    if (n === 1 && (ring.moves?.state[partition] ?? STAYS) === STAYS) return false;
    return keepsCopies(ring, partition, n, vnode);
  }

  /** Whether there is a tree here for a partition and an n. */
  covers(replicas: number, partition: number): boolean {
    return (((this.covered[partition] ?? 0) >>> replicas) & 1) === 1;
  }

  /** n of the tree that covers a record; 0 if none does here. */
  replicasFor(bucket: number, partition: number): number {
    // A cache evicts by itself: there is nothing to compare.
    if ((this.env.caches?.limitOf(bucket) ?? 0) > 0) return 0;
    const replicas = this.env.replicasOf(bucket);
    return this.covers(replicas, partition) ? replicas : 0;
  }

  /** @param by 1 takes a record in, −1 takes it out again */
  change(by: 1 | -1, words: Int32Array, at: number): void {
    const forest = this.forestFor(words, at);
    if (forest === undefined) return;
    this.digest.ofRecord(words, at);
    const { low, high } = this.digest;
    forest.change(by, partitionAt(words, at), words[at + W_KEY_HASH]!, low, high);
  }

  /** Takes a record out and the one that has its place in. */
  replace(before: Int32Array, beforeAt: number, words: Int32Array, at: number): void {
    const forest = this.forestFor(words, at);
    if (forest === undefined) return;
    this.digest.ofChange(before, beforeAt, words, at);
    const { low, high } = this.digest;
    forest.change(0, partitionAt(words, at), words[at + W_KEY_HASH]!, low, high);
  }

  private forestFor(words: Int32Array, at: number): Forest | undefined {
    const replicas = this.replicasFor(bucketAt(words, at), partitionAt(words, at));
    if (replicas === 0) return undefined;
    return (this.forests[replicas] ??= new Forest(this.env.ring.partitions));
  }

  /** Whether a record is below one of some nodes. */
  isBelow(nodes: ReadonlySet<number>, words: Int32Array, at: number): boolean {
    const partition = partitionAt(words, at);
    const replicas = this.replicasFor(bucketAt(words, at), partition);
    if (replicas === 0) return false;
    const hash = words[at + W_KEY_HASH]!;
    for (let level = this.depth; level >= 0; level--) {
      if (nodes.has(nodeOf(replicas, partition, level, indexOf(level, hash)))) return true;
    }
    return false;
  }

  /** Records below a node, as far as can be told from the size of its tree: keys are spread evenly. */
  expectedBelow(node: number): number {
    const records = this.forests[replicasOfNode(node)]?.records[partitionOfNode(node)] ?? 0;
    return Math.ceil(records / FAN ** levelOfNode(node));
  }

  isLeaf(node: number): boolean {
    return levelOfNode(node) === this.depth;
  }

  /** Whether a node has so few records that listing them costs less than looking further down. */
  hasFew(node: number): boolean {
    return this.expectedBelow(node) <= FEW;
  }

  low(node: number): number {
    const forest = this.forests[replicasOfNode(node)];
    return forest?.low(partitionOfNode(node), levelOfNode(node), indexOfNode(node)) ?? 0;
  }
  high(node: number): number {
    const forest = this.forests[replicasOfNode(node)];
    return forest?.high(partitionOfNode(node), levelOfNode(node), indexOfNode(node)) ?? 0;
  }

  /** Whether a node exists and both this virtual node and the peer are among its owners. */
  shares(peer: number, node: number): boolean {
    const partition = partitionOfNode(node);
    const replicas = replicasOfNode(node);
    const level = levelOfNode(node);
    return (
      partition < this.env.ring.partitions &&
      level <= this.depth &&
      indexOfNode(node) < 1 << (level * FAN_BITS) &&
      this.shared(peer, partition, replicas)
    );
  }

  private shared(peer: number, partition: number, replicas: number): boolean {
    return this.covers(replicas, partition) && this.keeps(peer, partition, replicas);
  }

  /** How many records a tree stands for. */
  recordsIn(replicas: number, partition: number): number {
    return this.forests[replicas]?.records[partition] ?? 0;
  }

  /** Whether this virtual node and a peer have any tree in common. */
  sharesAny(peer: number): boolean {
    for (const replicas of this.replicasInUse()) {
      for (let partition = 0; partition < this.env.ring.partitions; partition++) {
        if (this.shared(peer, partition, replicas)) return true;
      }
    }
    return false;
  }

  /** The roots of all trees that this virtual node and a peer have in common, for every n in use. */
  sharedRoots(peer: number): number[] {
    const roots: number[] = [];
    for (const replicas of this.replicasInUse()) {
      for (let partition = 0; partition < this.env.ring.partitions; partition++) {
        if (this.shared(peer, partition, replicas)) roots.push(nodeOf(replicas, partition, 0, 0));
      }
    }
    return roots;
  }

  /**
   * Of these, the ones that this virtual node compares by itself: where a partition moves, who is not read from
   * (yet, or any more) asks, or both sides would send the same at the same time.
   */
  rootsToAsk(peer: number): number[] {
    const { ring, ordinal } = this.env;
    return this.sharedRoots(peer).filter((root) => {
      const [partition, replicas] = [partitionOfNode(root), replicasOfNode(root)];
      const passive = otherOwners(ring, partition, replicas);
      return !passive.includes(peer) || passive.includes(ordinal);
    });
  }

  /**
   * Visits the owners of each replica set that this virtual node owns, or is about to own, for every n that
   * buckets up to a number have, until `visit` returns false.
   */
  everySet(buckets: number, visit: (owners: readonly number[]) => boolean): boolean {
    const { ring, ordinal } = this.env;
    for (const replicas of this.replicasInUse(buckets)) {
      if (replicas === 1) continue;
      for (let partition = 0; partition < ring.partitions; partition++) {
        if (!keepsCopies(ring, partition, replicas, ordinal)) continue;
        const first = partition * ring.preferenceLength;
        if (!visit(Array.from(ring.preference.subarray(first, first + replicas)))) return false;
      }
    }
    return true;
  }

  private replicasInUse(buckets = Number.POSITIVE_INFINITY): Set<number> {
    const inUse = new Set<number>();
    // Bucket numbers are given out without a gap.
    for (let bucket = 1; bucket <= buckets; bucket++) {
      const replicas = this.env.replicasOf(bucket);
      if (replicas === 0) break;
      if (replicas > 1 || this.env.ring.moves !== undefined) inUse.add(replicas);
    }
    return inUse;
  }

  clear(partitions: ReadonlySet<number>): void {
    if (partitions.size === this.env.ring.partitions) this.forests = [];
    for (const forest of this.forests) for (const partition of partitions) forest?.clear(partition);
  }
}
