import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { type Placement, place, placeAfterJoin, placeAfterLeave } from './placement.js';
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

/** The placement in force, in ordinals that count through its nodes. */
function placementOf(state: RingState): Placement {
  const nodes = membersOf(state, 'from');
  const ordinals = new Map(slotsOfNodes(nodes).map((slot, ordinal) => [slot, ordinal]));
  const owner = Int32Array.from(state.owner, (slot) => ordinals.get(slot)!);
  const spacing = Math.min(Math.max(state.spacing, Math.min(3, nodes.length + 1)), LIMITS.replicas);
  return { spec: { partitions: state.partitions, nodes, spacing }, owner };
}

/** In the order of the nodes. */
export function slotsOfNodes(nodes: readonly RingNode[]): number[] {
  return nodes.flatMap(({ firstSlot, vnodes }) => Array.from({ length: vnodes }, (_, i) => firstSlot + i));
}

/**
 * The state in which the threads of a joiner start.
 *
 * @param replicas N of every bucket, ascending
 * @throws RingletError RING_CHANGING, BAD_REQUEST, RING_FULL
 */
export function beginJoin(
  state: RingState,
  node: NodeSpec,
  replicas: readonly number[],
  slots: number,
): RingState {
  refuseSecond(state);
  const firstSlot = slotsOf(state);
  if (state.nodes.some(({ id, gone }) => id === node.id && gone !== true)) {
    throw new RingletError('BAD_REQUEST', `${node.id} is a member already`, { node: node.id });
  }
  if (firstSlot + node.vnodes > slots) {
    throw new RingletError(
      'RING_FULL',
      `there is room for ${slots} virtual nodes until the store is opened again, ${firstSlot} of it was used; ` +
        'open it again, with more room (maxVnodes) if need be',
      { room: slots, used: firstSlot, asked: node.vnodes },
    );
  }
  const { id, capacity, vnodes } = node;
  const joiner: RingNode = { id, capacity, vnodes, firstSlot };
  const after = placeAfterJoin(placementOf(state), { id, capacity, vnodes });
  const slotOf = slotsOfNodes([...membersOf(state, 'from'), joiner]);
  return begin(
    { ...state, nodes: [...state.nodes, joiner] },
    'join',
    id,
    'starting',
    after,
    replicas,
    slotOf,
  );
}

/** @throws RingletError RING_CHANGING, BAD_REQUEST: no member, the last one, or a bucket needs as many nodes */
export function beginLeave(state: RingState, id: string, replicas: readonly number[]): RingState {
  refuseSecond(state);
  const members = membersOf(state, 'from');
  const most = replicas.at(-1) ?? 1;
  if (members.some((node) => node.id === id) && members.length <= most) {
    throw new RingletError(
      'BAD_REQUEST',
      `${id} cannot leave: a bucket has n = ${most}, and there are ${members.length} nodes`,
      { node: id, n: most, nodes: members.length },
    );
  }
  const after = placeAfterLeave(placementOf(state), id);
  return begin(
    state,
    'leave',
    id,
    'moving',
    after,
    replicas,
    slotsOfNodes(members.filter((node) => node.id !== id)),
  );
}

function begin(
  state: RingState,
  kind: 'join' | 'leave',
  node: string,
  phase: ChangePhase,
  after: Placement,
  replicas: readonly number[],
  slots: readonly number[],
): RingState {
  const revision = state.revision + 1;
  const change: RingChange = {
    kind,
    node,
    phase,
    since: revision,
    replicas,
    from: state.owner,
    to: Array.from(after.owner, (ordinal) => slots[ordinal]!),
    handed: state.owner.map(() => 0),
    compared: [],
    partly: [],
    keys: 0,
    cleaned: [],
  };
  return { ...state, revision, change };
}

export function refuseSecond({ change }: RingState): void {
  if (change === undefined) return;
  throw new RingletError(
    'RING_CHANGING',
    `${change.node} is ${change.kind === 'join' ? 'joining' : 'leaving'}; one ring change at a time`,
    { node: change.node, change: change.kind, phase: change.phase },
  );
}

/** The threads of the joiner serve: from now on everybody works with both placements. */
export function startMoving(state: RingState): RingState {
  return state.change?.phase === 'starting' ? enter(state, 'moving') : state;
}

function enter(state: RingState, phase: ChangePhase): RingState {
  const revision = state.revision + 1;
  return { ...state, revision, change: { ...state.change!, phase, since: revision } };
}

/**
 * Takes facts in; the same state if none of them is news. The new placement is in force alone as soon
 * as the last partition is compared, and the change is over when the last slot is clean.
 */
export function withFacts(state: RingState, facts: readonly RingFact[]): RingState {
  const { change } = state;
  if (change === undefined) return state;
  const revision = state.revision + 1;
  const who = new Parties(state);
  let next = change;
  for (const fact of facts) next = withFact(next, fact, revision, who);
  if (next === change) return state;
  return advance({ ...state, revision, change: next });
}

function withFact(change: RingChange, fact: RingFact, revision: number, who: Parties): RingChange {
  if (fact.kind === 'cleaned') {
    return change.phase === 'cleaning' ? withNumber(change, 'cleaned', fact.slot) : change;
  }
  const { kind, partition, slot } = fact;
  const at = change.handed[partition];
  const mark = partition * LIMITS.virtualNodes + slot;
  if (change.phase !== 'moving' || at === undefined || change.partly.includes(mark)) return change;
  const parties = kind === 'came' ? who.coming(partition) : who.going(partition);
  const isDue = kind === 'came' ? at === 0 : at !== 0 && !change.compared.includes(partition);
  if (!isDue || !parties.includes(slot)) return change;
  const keys = change.keys + (kind === 'came' ? fact.keys : 0);
  const known = { ...withNumber(change, 'partly', mark), keys };
  if (parties.some((other) => !known.partly.includes(partition * LIMITS.virtualNodes + other))) return known;
  const partly = known.partly.filter((other) => Math.floor(other / LIMITS.virtualNodes) !== partition);
  if (kind === 'compared') return { ...withNumber(known, 'compared', partition), partly };
  return {
    ...known,
    partly,
    handed: change.handed.map((before, p) => (p === partition ? revision : before)),
  };
}

function withNumber(change: RingChange, list: 'compared' | 'partly' | 'cleaned', number: number): RingChange {
  if (change[list].includes(number)) return change;
  return { ...change, [list]: [...change[list], number].sort((a, b) => a - b) };
}

/** Who comes to a partition and who goes, for any n in use. */
class Parties {
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

/** Enters the next phase if this one is complete. */
export function advance(state: RingState): RingState {
  const { change } = state;
  if (change?.phase === 'moving') {
    const moved = movedPartitions(state);
    if (moved.some((partition) => !change.compared.includes(partition))) return state;
    const cleaning = {
      ...state,
      owner: change.to,
      change: { ...change, phase: 'cleaning', since: state.revision },
    } as const;
    return advance(cleaning);
  }
  if (change?.phase === 'cleaning') {
    if (slotsToClean(state).some((slot) => !change.cleaned.includes(slot))) return state;
    return over(state, change);
  }
  return state;
}

function over(state: RingState, change: RingChange): RingState {
  const { change: _, ...rest } = state;
  const changed = changingNode(state);
  const nodes = state.nodes.map((node) =>
    change.kind === 'leave' && node === changed ? { ...node, gone: true as const } : node,
  );
  return {
    ...rest,
    nodes,
    spacing: Math.max(state.spacing, Math.min(3, membersOf({ ...rest, nodes }, 'from').length)),
  };
}

/**
 * A change that has handed nothing over yet can be taken back. Everybody who was to come may have
 * copies already, and a joiner hints of others: it is the opposite change, of which only the cleaning is left.
 *
 * @throws RingletError RING_CHANGING, BAD_REQUEST
 */
export function rollBack(state: RingState): RingState {
  const { change, ...rest } = state;
  if (change === undefined) throw new RingletError('BAD_REQUEST', 'no ring change is under way');
  if (change.handed.some((at) => at !== 0) || change.phase === 'cleaning') {
    throw new RingletError(
      'RING_CHANGING',
      'partitions were handed over already: the change can only go on',
      { node: change.node, change: change.kind, phase: change.phase },
    );
  }
  const revision = state.revision + 1;
  if (change.phase === 'starting') {
    // Nobody has sent it anything.
    const joiner = changingNode(state);
    const nodes = state.nodes.map((node) => (node === joiner ? { ...node, gone: true as const } : node));
    return { ...rest, nodes, revision };
  }
  return advance({
    ...rest,
    revision,
    change: {
      ...change,
      kind: change.kind === 'join' ? 'leave' : 'join',
      phase: 'cleaning',
      since: revision,
      from: change.to,
      to: change.from,
      partly: [],
      back: true,
    },
  });
}

/** Who joins or leaves. */
export function changingNode({ nodes, change }: RingState): RingNode | undefined {
  return nodes.find(({ id, gone }) => id === change?.node && gone !== true);
}

/** Partitions whose set of owners changes for any n in use, ascending. */
export function movedPartitions(state: RingState): number[] {
  const { change, partitions } = state;
  if (change === undefined) return [];
  const from = walks(state, 'from');
  const to = walks(state, 'to');
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
