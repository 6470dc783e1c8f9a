import { movedPartitions, slotsToClean, walks } from './parties.js';
import { changingNode, membersOf, type RingChange, type RingState } from './state.js';
import {
  type Cleaning,
  epochOf,
  HANDED,
  MOVING,
  type Moves,
  type Ring,
  STAYS,
  type VnodeRef,
} from './ring.js';

/** The routing tables that a state stands for: a pure function, so that equal states route alike. */
export function ringOfState(state: RingState): Ring {
  const { partitions, nodes, change, revision } = state;
  const moving = change?.phase === 'moving';
  const from = walks(state, 'from');
  const to = change === undefined || change.phase === 'starting' ? from : walks(state, 'to');
  // Lists have one length. Whoever is in one placement only is the last resort of the other.
  const length = Math.max(from[0]!.length, to[0]!.length);
  const vnodes = vnodesOf(state);
  const nodeOf = (slot: number): number => vnodes[slot]!.nodeIndex;
  const old = flat(from, to, length, nodeOf);
  const next = flat(to, from, length, nodeOf);
  const moves = moving ? movesOf(state, movedPartitions(state, from, to), old, next, length) : undefined;
  const preference = old.slice();
  const owner = Int32Array.from(state.owner);
  for (let p = 0; p < partitions; p++) {
    const isNew = change?.phase === 'cleaning' || (moving && moves!.state[p] !== MOVING);
    if (!isNew) continue;
    for (let at = p * length; at < (p + 1) * length; at++) preference[at] = next[at]!;
    owner[p] = change.to[p]!;
  }
  const trimmed = change?.phase === 'cleaning' && change.kind === 'leave';
  return {
    partitions,
    partitionBits: Math.log2(partitions),
    nodes,
    vnodes,
    owner,
    preference: trimmed ? flat(to, to, to[0]!.length, nodeOf) : preference,
    preferenceLength: trimmed ? to[0]!.length : length,
    epoch: epochOfState(state),
    revision,
    moves,
    cleaning: change?.phase === 'cleaning' ? cleaningOf(state, change, from, nodeOf) : undefined,
  };
}

function cleaningOf(
  state: RingState,
  change: RingChange,
  from: readonly number[][],
  nodeOf: (slot: number) => number,
): Cleaning {
  const { since, cleaned, kind, node } = change;
  return {
    since,
    slots: slotsToClean(state).filter((slot) => !cleaned.includes(slot)),
    leaver: kind === 'leave' ? node : undefined,
    before: flat(from, from, from[0]!.length, nodeOf),
    beforeLength: from[0]!.length,
  };
}

/** By slot; slots that no node has are left out of no list, so there is none below the greatest. */
function vnodesOf({ nodes }: RingState): VnodeRef[] {
  const vnodes: VnodeRef[] = [];
  nodes.forEach(({ id, vnodes: count, firstSlot, gone }, nodeIndex) => {
    for (let i = 0; i < count; i++) {
      const ordinal = firstSlot + i;
      vnodes[ordinal] = {
        ordinal,
        id: `${id}.${i}`,
        node: id,
        nodeIndex,
        gone,
      };
    }
  });
  return vnodes;
}

/** Lists of one length: a node that is in the other list alone comes last. */
function flat(
  lists: readonly number[][],
  others: readonly number[][],
  length: number,
  nodeOf: (slot: number) => number,
): Int32Array {
  const table = new Int32Array(lists.length * length);
  lists.forEach((list, p) => {
    let at = p * length;
    for (const slot of list) table[at++] = slot;
    if (list.length === length) return;
    const nodes = list.map(nodeOf);
    for (const slot of others[p]!) if (!nodes.includes(nodeOf(slot))) table[at++] = slot;
  });
  return table;
}

function movesOf(
  state: RingState,
  movedNow: readonly number[],
  old: Int32Array,
  next: Int32Array,
  length: number,
): Moves {
  const { partitions } = state;
  const { since, replicas, handed, compared } = state.change!;
  const moved = new Uint8Array(partitions).fill(STAYS);
  for (const p of movedNow) moved[p] = handed[p] === 0 ? MOVING : HANDED;
  const other = old.slice();
  for (let p = 0; p < partitions; p++) {
    if (moved[p] !== MOVING) continue;
    for (let at = p * length; at < (p + 1) * length; at++) other[at] = next[at]!;
  }
  const done = new Uint8Array(partitions);
  for (const p of compared) done[p] = 1;
  return { since, replicas, other, state: moved, handedAt: Int32Array.from(handed), compared: done };
}

function epochOfState(state: RingState): number {
  const { partitions, change } = state;
  const members = membersOf(state, 'from');
  const slots = new Map<number, number>();
  for (const { firstSlot, vnodes } of members)
    for (let i = 0; i < vnodes; i++) slots.set(firstSlot + i, slots.size);
  // Without a change the same as of the placement alone, whatever the slots are.
  if (change === undefined)
    return epochOf(
      partitions,
      members,
      state.owner.map((slot) => slots.get(slot)!),
    );
  const { phase, to, handed, compared } = change;
  const facts = [phase, change.kind, changingNode(state)?.id, to, handed.map((at) => at !== 0), compared];
  return epochOf(partitions, members, [...state.owner], facts);
}

/** Whether a virtual node is among the first n of the list that is read from. */
export function isOwner(
  { preference, preferenceLength }: Ring,
  partition: number,
  n: number,
  vnode: number,
): boolean {
  const first = partition * preferenceLength;
  for (let i = 0; i < n; i++) if (preference[first + i] === vnode) return true;
  return false;
}

/** Whether it is among the first n of the other list of a partition that moves. */
export function isOtherOwner(ring: Ring, partition: number, n: number, vnode: number): boolean {
  const { moves, preferenceLength } = ring;
  if (moves === undefined || moves.state[partition] === STAYS) return false;
  const first = partition * preferenceLength;
  for (let i = 0; i < n; i++) if (moves.other[first + i] === vnode) return true;
  return false;
}

/** Whether it keeps copies of the partition, as an owner of today, of yesterday, or of tomorrow. */
export function keepsCopies(ring: Ring, partition: number, n: number, vnode: number): boolean {
  return isOwner(ring, partition, n, vnode) || isOtherOwner(ring, partition, n, vnode);
}

const NOBODY: readonly number[] = [];

/** Those of the other list that are in it alone: whom a put goes to besides its owners. */
export function otherOwners(ring: Ring, partition: number, n: number): readonly number[] {
  const { moves, preferenceLength } = ring;
  if (moves === undefined || moves.state[partition] === STAYS) return NOBODY;
  const others: number[] = [];
  const first = partition * preferenceLength;
  for (let i = 0; i < n; i++) {
    const vnode = moves.other[first + i]!;
    if (!isOwner(ring, partition, n, vnode)) others.push(vnode);
  }
  return others;
}

/** Of a partition's owners those that the other list has not. */
export function ownersAlone(ring: Ring, partition: number, n: number): readonly number[] {
  const { preference, preferenceLength } = ring;
  const alone: number[] = [];
  const first = partition * preferenceLength;
  for (let i = 0; i < n; i++) {
    const vnode = preference[first + i]!;
    if (!isOtherOwner(ring, partition, n, vnode)) alone.push(vnode);
  }
  return alone;
}

/** Nodes that have not left. */
export function memberCount({ nodes }: Ring): number {
  return nodes.reduce((sum, { gone }) => sum + (gone === true ? 0 : 1), 0);
}

/**
 * A preference list, and whoever else may have what waits for one of its first n: who leaves is in no list any
 * more, and after a change of the ring a partition has other fallbacks than those that keep hints for it.
 */
export function withHolders(
  { vnodes }: Ring,
  list: Int32Array,
  n: number,
  holds: (holder: number, owner: number) => boolean,
): Int32Array {
  let others = NOBODY;
  for (let i = 0; i < vnodes.length; i++) {
    const { ordinal, gone } = vnodes[i]!;
    if (gone === true || list.includes(ordinal)) continue;
    let holdsSome = false;
    for (let o = 0; o < n && !holdsSome; o++) holdsSome = holds(ordinal, list[o]!);
    if (holdsSome) others = [...others, ordinal];
  }
  return others.length === 0 ? list : Int32Array.from([...list, ...others]);
}
