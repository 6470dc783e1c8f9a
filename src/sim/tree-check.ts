import { partitionAt, W_KEY_HASH } from '../storage/record.js';
import { Digest } from '../shard/trees/digest.js';
import { nodeOf } from '../shard/trees/nodes.js';
import { indexOf } from '../shard/trees/tree.js';
import { TreeSet } from '../shard/trees/tree-set.js';
import type { World } from './world.js';

/** The hashes of nodes with records below them: trees of which next to all nodes are empty. */
class Hashes {
  private readonly depth: number;
  private readonly lows = new Map<number, number>();
  private readonly highs = new Map<number, number>();
  private readonly digest = new Digest();

  constructor(depth: number) {
    this.depth = depth;
  }

  add(replicas: number, words: Int32Array, at: number): void {
    const { digest } = this;
    digest.ofRecord(words, at);
    for (let level = this.depth; level >= 0; level--) {
      const node = nodeOf(replicas, partitionAt(words, at), level, indexOf(level, words[at + W_KEY_HASH]!));
      this.lows.set(node, this.low(node) ^ digest.low);
      this.highs.set(node, this.high(node) ^ digest.high);
    }
  }

  low(node: number): number {
    return this.lows.get(node) ?? 0;
  }
  high(node: number): number {
    return this.highs.get(node) ?? 0;
  }
}

/**
 * The trees of a virtual node say at any moment what it has stored: they are compared with trees
 * that are made anew, in all roots and along the way to every key. Two replicas that miss the same
 * record in their trees would never notice that they differ, and restarts heal it before anybody else does.
 */
export function checkTrees(world: World, vnode: number): void {
  const trees = world.process.threads[vnode]?.node?.trees;
  if (trees?.usable !== true) return;
  const { buckets, machine } = world;
  // Before it is found out the trees count what is damaged.
  for (const { damaged } of machine.vnodes[vnode]!.engine.rows.values()) if (damaged === true) return;
  // As the virtual node knows it.
  const { ring } = world.process.threads[vnode]!.node!;
  const replicasOf = (number: number): number => buckets.find((bucket) => bucket.number === number)?.n ?? 0;
  const { set } = trees;
  const anew = new TreeSet({ ordinal: vnode, ring, replicasOf });
  const hashes = new Hashes(set.depth);
  const differ = (node: number): boolean =>
    set.low(node) !== hashes.low(node) || set.high(node) !== hashes.high(node);
  const keys = [...world.history.keys.values()].filter(({ bucket, stored }) =>
    anew.replicasFor(bucket.number, stored.partition),
  );
  for (const { stored } of keys) {
    const copy = world.copyAt(vnode, stored);
    // A tombstone that is about to be reaped is in no tree.
    if (copy !== undefined && !trees.hides(copy.words, copy.at))
      hashes.add(replicasOf(stored.bucket), copy.words, copy.at);
  }
  for (const { name, bucket, stored } of keys) {
    for (let level = set.depth; level >= 0; level--) {
      if (!differ(nodeOf(bucket.n, stored.partition, level, indexOf(level, stored.hash)))) continue;
      world.violation(`a tree of virtual node ${vnode} does not say what it has, on the way to ${name}`);
      return;
    }
  }
  for (const replicas of new Set(buckets.map(({ n }) => n))) {
    for (let partition = 0; partition < ring.partitions; partition++) {
      if (!anew.covers(replicas, partition) || !differ(nodeOf(replicas, partition, 0, 0))) continue;
      world.violation(`virtual node ${vnode} has a tree of something that it does not store`);
      return;
    }
  }
}
