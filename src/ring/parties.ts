import { changingNode, membersOf, type RingState, slotsOfNodes } from './state.js';

/** Partitions whose set of owners changes for any n in use, ascending. */
export function movedPartitions(
  state: RingState,
  from: readonly number[][] = walks(state, 'from'),
  to: readonly number[][] = walks(state, 'to'),
): number[] {
  const { change, partitions } = state;
  const moved: number[] = [];
  if (change === undefined) return moved;
  for (let p = 0; p < partitions; p++) {
    for (const n of change.replicas) {
      if (sameSet(from[p]!, to[p]!, n)) continue;
      moved.push(p);
      break;
    }
  }
  return moved;
}

/** Whether the first n of both lists are the same slots, in any order. */
function sameSet(a: readonly number[], b: readonly number[], n: number): boolean {
  for (let i = 0; i < n && i < a.length; i++) if (!isAmong(b, n, a[i]!)) return false;
  return true;
}

function isAmong(list: readonly number[], n: number, slot: number): boolean {
  for (let i = 0; i < n && i < list.length; i++) if (list[i] === slot) return true;
  return false;
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
    const found: number[] = [];
    for (const n of this.state.change!.replicas) {
      for (let i = 0; i < n && i < list.length; i++) {
        const slot = list[i]!;
        if (!isAmong(other, n, slot) && !found.includes(slot)) found.push(slot);
      }
    }
    return found;
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
  const memberOf: number[] = [];
  members.forEach((node, member) => {
    for (const slot of slotsOfNodes([node])) memberOf[slot] = member;
  });
  const holders = new Set(owner.map((slot) => memberOf[slot])).size;
  const metFor = new Int32Array(members.length).fill(-1);
  return Array.from({ length: partitions }, (_, partition) => {
    const list: number[] = [];
    for (let step = 0; list.length < holders; step++) {
      const slot = owner[(partition + step) % partitions]!;
      const member = memberOf[slot]!;
      if (metFor[member] === partition) continue;
      metFor[member] = partition;
      list.push(slot);
    }
    for (let member = 0; list.length < members.length; member++) {
      if (metFor[member] === partition) continue;
      const { firstSlot, vnodes } = members[member]!;
      list.push(firstSlot + (partition % vnodes));
    }
    return list;
  });
}
