import { sha1Into } from './sha1.js';
import { firstOrdinals, place, type Placement } from './placement.js';
import type { NodeSpec, RingSpec } from './spec.js';

export type { NodeSpec, RingSpec } from './spec.js';

/** A virtual node: one worker thread. */
export interface VnodeRef {
  /** Counts through all virtual nodes in the order of the nodes; the index into `Ring.vnodes`. */
  readonly ordinal: number;
  /** Node id, a dot, the number within the node: "n1.0". */
  readonly id: string;
  readonly node: string;
  readonly nodeIndex: number;
}

export interface Ring {
  readonly partitions: number;
  readonly partitionBits: number;
  readonly nodes: readonly NodeSpec[];
  readonly vnodes: readonly VnodeRef[];
  /** Partition → ordinal of its virtual node. */
  readonly owner: Int32Array;
  /** partition * preferenceLength + i → ordinal of the i-th virtual node of the preference list. */
  readonly preference: Int32Array;
  /** The number of nodes: a list names one virtual node of each, owners first, then fallbacks (§4.3). */
  readonly preferenceLength: number;
  /** Digest of all of the above, 1 to 2^32 - 1. */
  readonly epoch: number;
}

/** A new ring; the same spec always gives the same ring. @throws RingletError BAD_REQUEST */
export function buildRing(spec: RingSpec): Ring {
  return ringOf(place(spec));
}

/** The routing tables of a placement, first or changed. */
export function ringOf(placement: Placement): Ring {
  const { owner, spec } = placement;
  const { nodes, partitions } = spec;
  const vnodes = nodes
    .flatMap((node, nodeIndex) =>
      Array.from({ length: node.vnodes }, (_, i) => ({ id: `${node.id}.${i}`, node: node.id, nodeIndex })),
    )
    .map((vnode, ordinal) => ({ ordinal, ...vnode }));
  return {
    partitions,
    partitionBits: Math.log2(partitions),
    nodes,
    vnodes,
    owner,
    preference: preferenceLists(owner, vnodes, nodes),
    preferenceLength: nodes.length,
    epoch: epochOf(placement),
  };
}

/**
 * The partition of a key: the top `partitionBits` of its SHA-1.
 *
 * @param firstDigestWord the first word that sha1Into wrote, signed or unsigned
 */
export function partitionOf(ring: Ring, firstDigestWord: number): number {
  // Two shifts, since a shift by 32, which one partition asks for, is a shift by 0.
  return (firstDigestWord >>> 1) >>> (31 - ring.partitionBits);
}

function preferenceLists(
  owner: Int32Array,
  vnodes: readonly VnodeRef[],
  nodes: readonly NodeSpec[],
): Int32Array {
  const length = nodes.length;
  const partitions = owner.length;
  const preference = new Int32Array(partitions * length);
  const holders = new Set(Array.from(owner, (vnode) => vnodes[vnode]!.nodeIndex)).size;
  const first = firstOrdinals(nodes);
  const listedFor = new Int32Array(length).fill(-1);
  for (let partition = 0; partition < partitions; partition++) {
    let listed = 0;
    for (let step = 0; listed < holders; step++) {
      const vnode = owner[(partition + step) % partitions]!;
      const node = vnodes[vnode]!.nodeIndex;
      if (listedFor[node] === partition) continue;
      listedFor[node] = partition;
      preference[partition * length + listed++] = vnode;
    }
    // With fewer partitions than nodes some own nothing and are never met: they are fallbacks still.
    for (let node = 0; listed < length; node++) {
      if (listedFor[node] === partition) continue;
      preference[partition * length + listed++] = first[node]! + (partition % nodes[node]!.vnodes);
    }
  }
  return preference;
}

/** First word of the SHA-1 of everything that routing depends on; never 0, which says "no ring yet". */
function epochOf({ spec, owner }: Placement): number {
  const nodes = spec.nodes.map(({ id, capacity, vnodes }) => [id, capacity, vnodes]);
  const text = new TextEncoder().encode(JSON.stringify([spec.partitions, nodes, Array.from(owner)]));
  const digest = new Int32Array(5);
  sha1Into(text, text.length, digest);
  return digest[0]! >>> 0 || 1;
}
