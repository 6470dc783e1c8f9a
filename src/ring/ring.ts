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
  /** It has left. */
  readonly gone: true | undefined;
}

export interface Ring {
  readonly partitions: number;
  readonly partitionBits: number;
  /** Those that left since the store opened are still in it, so that numbers stay what they are. */
  readonly nodes: readonly (NodeSpec & { readonly gone?: true })[];
  readonly vnodes: readonly VnodeRef[];
  /** Partition → ordinal of its virtual node. */
  readonly owner: Int32Array;
  /** partition * preferenceLength + i → ordinal of the i-th virtual node of the preference list. */
  readonly preference: Int32Array;
  /** The number of nodes: a list names one virtual node of each, owners first, then fallbacks (§4.3). */
  readonly preferenceLength: number;
  /** Digest of all that ownership follows from, 1 to 2^32 - 1. */
  readonly epoch: number;
  /** Of the state that this ring follows from (change.ts); 0 without one. */
  readonly revision: number;
  /** While partitions are handed over from one owner to another. */
  readonly moves: Moves | undefined;
  /** While copies go that nobody needs any more. */
  readonly cleaning: Cleaning | undefined;
}

/** A partition's owners do not change; it still has its old ones; it has its new ones. */
export const STAYS = 0;
export const MOVING = 1;
export const HANDED = 2;

/**
 * Partitions on their way. `preference` lists whom to read from: the old owners up to the handover,
 * the new ones afterwards. A put needs W of them and W of the other list's.
 */
export interface Moves {
  /** Revision at which everybody began to write to both. */
  readonly since: number;
  /** N of every bucket, ascending. */
  readonly replicas: readonly number[];
  /** As `preference`: the new owners up to the handover, the old ones afterwards. */
  readonly other: Int32Array;
  /** Per partition STAYS, MOVING or HANDED. */
  readonly state: Uint8Array;
  /** Per partition the revision of its handover, or 0. */
  readonly handedAt: Int32Array;
  /** Per partition whether those who go have been found equal to those who came. */
  readonly compared: Uint8Array;
}

export interface Cleaning {
  readonly since: number;
  /** Slots that still have to. */
  readonly slots: readonly number[];
  /** The slots of a leaver have only hints to hand over: their data goes with their directories. */
  readonly leaver: string | undefined;
  /** The lists before the change, so many to a partition. */
  readonly before: Int32Array;
  readonly beforeLength: number;
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
    .map(({ id, node, nodeIndex }, ordinal) => ({ ordinal, id, node, nodeIndex, gone: undefined }));
  return {
    partitions,
    partitionBits: Math.log2(partitions),
    nodes,
    vnodes,
    owner,
    preference: preferenceLists(owner, vnodes, nodes),
    preferenceLength: nodes.length,
    epoch: epochOf(spec.partitions, nodes, Array.from(owner)),
    revision: 0,
    moves: undefined,
    cleaning: undefined,
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
export function epochOf(
  partitions: number,
  members: readonly NodeSpec[],
  owner: readonly number[],
  ...more: unknown[]
): number {
  const nodes = members.map(({ id, capacity, vnodes }) => [id, capacity, vnodes]);
  const text = new TextEncoder().encode(JSON.stringify([partitions, nodes, owner, ...more]));
  const digest = new Int32Array(5);
  sha1Into(text, text.length, digest);
  return digest[0]! >>> 0 || 1;
}

/** Their numbers, ascending. */
export function everyPartition({ partitions }: Pick<Ring, 'partitions'>): number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}
