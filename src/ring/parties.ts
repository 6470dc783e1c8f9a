import { changingNode, membersOf, type RingNode, type RingState, slotsOfNodes } from './state.js';

/** Partitions whose set of owners changes for any n in use, ascending. */
export function movedPartitions(
  state: RingState,
  from: readonly number[][] = walks(state, 'from'),
  to: readonly number[][] = walks(state, 'to'),
): number[] {
  const { change, partitions } = state;
  if (change === undefined) return [];
  return Array.from({ length: partitions }, (_, p) => p).filter((p) =>
    change.replicas.some((n) => !sameSet(from[p]!, to[p]!, n)),
  );
}

function sameSet(a: readonly number[], b: readonly number[], n: number): boolean {
  return a.slice(0, n).every((slot) => b.slice(0, n).includes(slot));
}

/** Slots that lose a partition for any n in use, ascending; a leaver's all, also if they own nothing. */
export function slotsToClean(state: RingState): number[] {
  const { change } = state;
  if (change === undefined) return [];
  const slots = new Set<number>();
  if (change.kind === 'leave') {
    for (const slot of slotsOfNodes([changingNode(state)!])) slots.add(slot);
  }
  const who = new Parties(state);
  for (let p = 0; p < state.partitions; p++) for (const slot of who.going(p)) slots.add(slot);
  return [...slots].sort((a, b) => a - b);
}

/** Who comes to a partition and who goes, for any n in use. */
export class Parties {
  private readonly state: RingState;
  private readonly from: readonly number[][];
  private readonly to: readonly number[][];

  constructor(state: RingState) {
    this.state = state;
    this.from = walks(state, 'from');
    this.to = walks(state, 'to');
  }

  coming(partition: number): number[] {
    return this.only(this.to[partition], this.from[partition]);
  }
  going(partition: number): number[] {
    return this.only(this.from[partition], this.to[partition]);
  }

  private only(list: readonly number[] = [], other: readonly number[] = []): number[] {
    const found = new Set<number>();
    for (const n of this.state.change!.replicas) {
      for (const slot of list.slice(0, n)) if (!other.slice(0, n).includes(slot)) found.add(slot);
    }
    return [...found];
  }
}

/**
 * Per partition one slot of each member, in order of preference: clockwise around the owners, then
 * those that own nothing (they are fallbacks).
 */
export function walks(state: RingState, side: 'from' | 'to'): number[][] {
  const { change, partitions } = state;
  const owner = change === undefined ? state.owner : change[side];
  const members = membersOf(state, change === undefined ? 'from' : side);
  const nodeOf = new Map<number, RingNode>();
  for (const node of members) for (const slot of slotsOfNodes([node])) nodeOf.set(slot, node);
  return Array.from({ length: partitions }, (_, partition) => {
    const list: number[] = [];
    const met = new Set<RingNode>();
    for (let step = 0; step < partitions && list.length < members.length; step++) {
      const slot = owner[(partition + step) % partitions]!;
      const node = nodeOf.get(slot)!;
      if (met.has(node)) continue;
      met.add(node);
      list.push(slot);
    }
    for (const node of members) {
      if (!met.has(node)) list.push(node.firstSlot + (partition % node.vnodes));
    }
    return list;
  });
}
