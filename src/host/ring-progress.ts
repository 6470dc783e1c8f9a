import type { RingProgress } from '../client/ring-api.js';
import { movedPartitions, slotsToClean } from '../ring/parties.js';
import type { ChangingState, RingChange } from '../ring/state.js';

/** What somebody asked for, also on its way back. */
export function askedFor({ kind, back }: RingChange): 'join' | 'leave' {
  if (back !== true) return kind;
  return kind === 'join' ? 'leave' : 'join';
}

/**
 * How far the change of a state is.
 *
 * @param idOf names of virtual nodes by slot
 * @param forMs since it began
 */
export function progressUnderWay(
  state: ChangingState,
  idOf: (slot: number) => string,
  forMs: number,
): RingProgress {
  const { change } = state;
  const open = change.phase === 'cleaning' ? slotsToClean(state) : [];
  const cleaning = open.filter((slot) => !change.cleaned.includes(slot)).map(idOf);
  return { ...counts(state, forMs), phase: change.phase, cleaning };
}

/** How a change ended that this state still has. */
export function progressAtEnd(
  state: ChangingState,
  phase: 'done' | 'rolled back',
  forMs: number,
): RingProgress {
  return { ...counts(state, forMs), phase: state.change.back === true ? 'rolled back' : phase, cleaning: [] };
}

function counts(state: ChangingState, forMs: number): Omit<RingProgress, 'phase' | 'cleaning'> {
  const { change } = state;
  return {
    change: askedFor(change),
    node: change.node,
    partitions: movedPartitions(state).length,
    handed: change.handed.filter((at) => at !== 0).length,
    compared: change.compared.length,
    keys: change.keys,
    forMs: Math.round(forMs),
  };
}
