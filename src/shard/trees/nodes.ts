import { assert } from '../../base/assert.js';
import { LIMITS } from '../../base/limits.js';
import { FAN } from './tree.js';

/**
 * A node of any tree as one word, so that frames and sets can name it:
 *
 *   bits 0–11  index within its level   12–13  level   14–25  partition   26–29  replicas (n)
 */
const INDEX_BITS = 12;
const LEVEL_BITS = 2;
const PARTITION_BITS = 12;
const TREE_SHIFT = INDEX_BITS + LEVEL_BITS;
const REPLICAS_SHIFT = TREE_SHIFT + PARTITION_BITS;

assert(LIMITS.partitions <= 1 << PARTITION_BITS, 'a node names any partition');
assert(LIMITS.replicas < 1 << (31 - REPLICAS_SHIFT), 'a node names any number of replicas');

export function nodeOf(replicas: number, partition: number, level: number, index: number): number {
  return (replicas << REPLICAS_SHIFT) | (partition << TREE_SHIFT) | (level << INDEX_BITS) | index;
}
export function replicasOfNode(node: number): number {
  return node >>> REPLICAS_SHIFT;
}
export function partitionOfNode(node: number): number {
  return (node >>> TREE_SHIFT) & ((1 << PARTITION_BITS) - 1);
}
export function levelOfNode(node: number): number {
  return (node >>> INDEX_BITS) & ((1 << LEVEL_BITS) - 1);
}
export function indexOfNode(node: number): number {
  return node & ((1 << INDEX_BITS) - 1);
}

/** The nodes one level below, appended to `to`. */
export function addChildren(node: number, to: number[]): void {
  const first = indexOfNode(node) * FAN;
  const level = levelOfNode(node) + 1;
  for (let i = 0; i < FAN; i++)
    to.push(nodeOf(replicasOfNode(node), partitionOfNode(node), level, first + i));
}
