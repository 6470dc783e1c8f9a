import { RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { movedPartitions, Parties, slotsToClean } from './parties.js';
import { type Placement, placeAfterJoin, placeAfterLeave } from './placement.js';
import type { NodeSpec } from './spec.js';
import {
  type ChangePhase,
  changingNode,
  membersOf,
  type RingChange,
  type RingFact,
  type RingNode,
  type RingState,
  slotsOf,
  slotsOfNodes,
} from './state.js';

/** The placement in force, in ordinals that count through its nodes. */
function placementOf(state: RingState): Placement {
  const nodes = membersOf(state, 'from');
  const ordinals = new Map(slotsOfNodes(nodes).map((slot, ordinal) => [slot, ordinal]));
  const owner = Int32Array.from(state.owner, (slot) => ordinals.get(slot)!);
  const spacing = Math.min(Math.max(state.spacing, Math.min(3, nodes.length + 1)), LIMITS.replicas);
  return { spec: { partitions: state.partitions, nodes, spacing }, owner };
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
  if (!members.some((node) => node.id === id)) {
    const ids = members.map((node) => node.id).join(', ');
    throw new RingletError('BAD_REQUEST', `${shown(id)} is no member; the nodes are ${ids}`, {
      node: shown(id),
      nodes: members.length,
    });
  }
  if (members.length <= most) {
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
 * @param abandoned the joiner is lost: nobody waits for it, and hints that it alone has are given up.
 *   Also of a change that is on its way back already
 * @throws RingletError RING_CHANGING, BAD_REQUEST
 */
export function rollBack(state: RingState, abandoned = false): RingState {
  const { change, ...rest } = state;
  if (change === undefined) throw new RingletError('BAD_REQUEST', 'no ring change is under way');
  if (abandoned) return withoutJoiner(change.back === true ? state : rollBack(state));
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

/** Of a join that is on its way back: the joiner counts as clean. */
function withoutJoiner(state: RingState): RingState {
  const { change } = state;
  if (change === undefined) return state;
  if (change.kind !== 'leave') {
    throw new RingletError('BAD_REQUEST', `only a joiner can be abandoned, and ${change.node} was leaving`, {
      node: change.node,
      change: 'leave',
    });
  }
  const slots = slotsOfNodes([changingNode(state)!]);
  const cleaned = [...new Set([...change.cleaned, ...slots])].sort((a, b) => a - b);
  return advance({ ...state, revision: state.revision + 1, change: { ...change, cleaned } });
}
