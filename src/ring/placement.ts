import { RingletError } from '../base/errors.js';
import { rebalance } from './rebalance.js';
import { feasibleSpacing, idealShares, wholeShares } from './shares.js';
import { checkSpec, type NodeSpec, type RingSpec } from './spec.js';

/**
 * Strategy 3 of the paper (§6.2) as the store runs it: Q equal partitions, dealt evenly to the
 * virtual nodes. The paper deals at random and then meets some node twice within a window of N
 * partitions; here any N consecutive partitions lie on distinct nodes wherever arithmetic permits,
 * so that the load is exactly even.
 */
export interface Placement {
  readonly spec: RingSpec;
  /** Partition → ordinal of the virtual node that owns it; ordinals count through `spec.nodes` in order. */
  readonly owner: Int32Array;
}

/** A first placement: with the largest spacing that the shares of the nodes permit, often above N. */
export function place(spec: RingSpec): Placement {
  checkSpec(spec);
  const nodeOwner = dealApart(nodeShares(spec, []));
  const first = firstOrdinals(spec.nodes);
  const met = spec.nodes.map(() => 0);
  const owner = nodeOwner.map((node) => first[node]! + (met[node]!++ % spec.nodes[node]!.vnodes));
  return { spec, owner };
}

/**
 * Deals `shares[i]` partitions to each node i around a cycle so that the same node comes again only
 * after floor(partitions / largest share) places, which is also the most that any order can reach.
 *
 * Write as many rows as the largest share; fill them column by column, largest share first; read
 * row by row. A node is in a row at most once. From one row to the next it stays in its column, a
 * row's length away; only where it continues at the top of the next column does it come one place
 * earlier, and then at least one row without it lies in between.
 */
export function dealApart(shares: readonly number[]): Int32Array {
  const partitions = shares.reduce((sum, share) => sum + share, 0);
  const rows = Math.max(...shares);
  const rowLength = Math.floor(partitions / rows);
  const longRows = partitions % rows;
  const owner = new Int32Array(partitions);
  const bySize = shares.map((share, node) => ({ share, node })).sort((a, b) => b.share - a.share);
  let dealt = 0;
  for (const { share, node } of bySize) {
    for (let i = 0; i < share; i++, dealt++) {
      const row = dealt % rows;
      owner[row * rowLength + Math.min(row, longRows) + Math.floor(dealt / rows)] = node;
    }
  }
  return owner;
}

/**
 * The placement after `member` joined: it takes its share evenly from the others (§4.9, §6.2), and
 * almost nothing moves between those that were there.
 */
export function placeAfterJoin(previous: Placement, member: NodeSpec): Placement {
  const spec = { ...previous.spec, nodes: [...previous.spec.nodes, member] };
  checkSpec(spec);
  return change(spec, previous.owner);
}

/** The placement after the node `id` left: its partitions go to all others by their capacities. */
export function placeAfterLeave(previous: Placement, id: string): Placement {
  const { nodes } = previous.spec;
  const leaving = nodes.findIndex((node) => node.id === id);
  if (leaving < 0 || nodes.length === 1) {
    throw new RingletError('BAD_REQUEST', 'Only a member, and not the last one, can leave', {
      id,
      nodes: nodes.length,
    });
  }
  const begin = firstOrdinals(nodes)[leaving]!;
  const gone = nodes[leaving]!.vnodes;
  const owner = previous.owner.map((vnode) => {
    if (vnode < begin) return vnode;
    return vnode < begin + gone ? -1 : vnode - gone;
  });
  return change({ ...previous.spec, nodes: nodes.filter((_, i) => i !== leaving) }, owner);
}

/** Ordinal of the first virtual node of each node. */
export function firstOrdinals(nodes: readonly NodeSpec[]): number[] {
  let next = 0;
  return nodes.map((node) => {
    const first = next;
    next += node.vnodes;
    return first;
  });
}

/** @param owner ordinals within `spec`, -1 where the owner has left */
function change(spec: RingSpec, owner: Int32Array): Placement {
  const nodeOf = spec.nodes.flatMap((node, i) => Array.from({ length: node.vnodes }, () => i));
  const vnodeCounts = nodeOf.map(() => 0);
  const nodeCounts = spec.nodes.map(() => 0);
  for (const vnode of owner) {
    if (vnode < 0) continue;
    vnodeCounts[vnode]! += 1;
    nodeCounts[nodeOf[vnode]!]! += 1;
  }
  const first = firstOrdinals(spec.nodes);
  const targets = nodeShares(spec, nodeCounts).flatMap((share, i) => {
    const { vnodes } = spec.nodes[i]!;
    const even = Array.from({ length: vnodes }, () => share / vnodes);
    return wholeShares(share, even, vnodeCounts.slice(first[i], first[i]! + vnodes));
  });
  // With no more nodes than replicas every node is in every list, in whatever order they come.
  const members = spec.nodes.length;
  const spacing = members <= spec.spacing ? 1 : feasibleSpacing(spec.partitions, members, spec.spacing);
  return { spec, owner: rebalance(owner, nodeOf, targets, spacing) };
}

function nodeShares(spec: RingSpec, previous: readonly number[]): number[] {
  const spacing = feasibleSpacing(spec.partitions, spec.nodes.length, spec.spacing);
  const weights = spec.nodes.map((node) => node.capacity);
  const ideals = idealShares(spec.partitions, weights, Math.floor(spec.partitions / spacing));
  return wholeShares(spec.partitions, ideals, previous);
}
