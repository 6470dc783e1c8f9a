import { LIMITS } from '../base/limits.js';
import { place } from './placement.js';
import type { NodeSpec, RingSpec } from './spec.js';

/**
 * Who owns what, as a value that only ever grows: a first placement and, while the ring changes, the
 * one that it becomes, with what has been confirmed so far. docs/architecture.md, "Ring changes", says
 * who writes which fact, in which order, and what a crash in between leads to.
 *
 * Every state has a revision, one above the state that it was made from. Facts are durable before
 * anybody acts on them, and there is one place that makes them so: hence one state per revision, and
 * of two states the one with the greater revision knows everything that the other does.
 *
 *   starting   the threads of a joiner start; nobody sends them anything yet
 *   moving     partitions are handed over one by one
 *   cleaning   the new placement is in force alone; old copies go
 */
export type ChangePhase = 'starting' | 'moving' | 'cleaning';

/** A node and the slots (numbers in shared memory) of its virtual nodes: `firstSlot`, and those behind it. */
export interface RingNode extends NodeSpec {
  readonly firstSlot: number;
  /** It has left; its slots stay taken until the store opens again. */
  readonly gone?: true;
}

export interface RingChange {
  readonly kind: 'join' | 'leave';
  readonly node: string;
  readonly phase: ChangePhase;
  /** Revision at which the phase began. */
  readonly since: number;
  /** N of every bucket, ascending: whose sets of owners are compared. */
  readonly replicas: readonly number[];
  /** Partition → slot. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Partition → revision at which it was handed over: everybody who comes has it; 0: not yet. */
  readonly handed: readonly number[];
  /** Partitions for which everybody who goes was found equal to those who came, ascending. */
  readonly compared: readonly number[];
  /** Who has come, or was compared, where others are still missing: partition * LIMITS.virtualNodes + slot. */
  readonly partly: readonly number[];
  /** Keys that were handed over, counted at each that came. */
  readonly keys: number;
  /** Slots that have let go what they do not own any more, ascending. */
  readonly cleaned: readonly number[];
  /** It is the way back of a change that was taken back. */
  readonly back?: true;
}

export interface RingState {
  readonly revision: number;
  readonly partitions: number;
  readonly spacing: number;
  readonly nodes: readonly RingNode[];
  /** Partition → slot, where no change is under way. */
  readonly owner: readonly number[];
  readonly change?: RingChange;
}

/** What a virtual node reports once it is certain. */
export type RingFact =
  /** It has, synced, what everybody has who goes: so many keys. */
  | { readonly kind: 'came'; readonly partition: number; readonly slot: number; readonly keys: number }
  /** Everybody who came has, synced, what it has. */
  | { readonly kind: 'compared'; readonly partition: number; readonly slot: number }
  | { readonly kind: 'cleaned'; readonly slot: number };

/** The state of a new store. @throws RingletError BAD_REQUEST */
export function firstState(spec: RingSpec): RingState {
  const { owner } = place(spec);
  let next = 0;
  const nodes = spec.nodes.map((node) => {
    const firstSlot = next;
    next += node.vnodes;
    return { ...node, firstSlot };
  });
  return { revision: 1, partitions: spec.partitions, spacing: spec.spacing, nodes, owner: [...owner] };
}

/** Slots that were ever given out. */
export function slotsOf({ nodes }: Pick<RingState, 'nodes'>): number {
  return nodes.reduce((most, { firstSlot, vnodes }) => Math.max(most, firstSlot + vnodes), 0);
}

/** The nodes that the first placement (`from`) or the other one (`to`) of a change is dealt to. */
export function membersOf(state: RingState, side: 'from' | 'to'): readonly RingNode[] {
  const { nodes, change } = state;
  const without = change?.kind === (side === 'from' ? 'join' : 'leave') ? change.node : undefined;
  return nodes.filter(({ id, gone }) => gone !== true && id !== without);
}

/** In the order of the nodes. */
export function slotsOfNodes(nodes: readonly RingNode[]): number[] {
  return nodes.flatMap(({ firstSlot, vnodes }) => Array.from({ length: vnodes }, (_, i) => firstSlot + i));
}

/** A state with a change under way. */
export type ChangingState = RingState & { readonly change: RingChange };

export function isChanging(state: RingState): state is ChangingState {
  return state.change !== undefined;
}

/** Who joins or leaves. */
export function changingNode({ nodes, change }: RingState): RingNode | undefined {
  return nodes.find(({ id, gone }) => id === change?.node && gone !== true);
}

/** The same with slots numbered anew, without gaps and without those that left: for a store that opens. */
export function renumbered(state: RingState): RingState {
  const slots = new Map<number, number>();
  const nodes = state.nodes
    .filter(({ gone }) => gone !== true)
    .map((node) => {
      const firstSlot = slots.size;
      for (let i = 0; i < node.vnodes; i++) slots.set(node.firstSlot + i, firstSlot + i);
      return { ...node, firstSlot };
    });
  const slotOf = (slot: number): number => slots.get(slot)!;
  const { change } = state;
  const changed: RingChange | undefined = change && {
    ...change,
    from: change.from.map(slotOf),
    to: change.to.map(slotOf),
    cleaned: change.cleaned.map(slotOf).sort((a, b) => a - b),
    partly: change.partly
      .map((mark) => mark - (mark % LIMITS.virtualNodes) + slotOf(mark % LIMITS.virtualNodes))
      .sort((a, b) => a - b),
  };
  return {
    ...state,
    nodes,
    owner: state.owner.map(slotOf),
    ...(changed === undefined ? {} : { change: changed }),
  };
}
