import { CONFIRMED, SYNCED, UNWRITTEN_SINCE, WRITTEN } from '../storage/buffer-layout.js';
import type { World } from './world.js';

/** What is over in a moment counts for so long. */
const JUST_MS = 20;

/** States of the protocols that a fault may meet; each looks at the world as it is. */
const STATES: Readonly<Record<string, (world: World) => boolean>> = {
  'put under way': ({ process }) => process.threads.some((thread) => thread?.node?.waiting === true),
  'request waits': ({ process }) => process.callers.some((caller) => (caller?.machine.pending ?? 0) > 0),
  'repair waits': ({ process }) => process.callers.some((caller) => (caller?.repairs.size ?? 0) > 0),
  unwritten: ({ process }) => process.memory.bufferWords.some((words) => words[UNWRITTEN_SINCE] !== 0),
  unsynced: ({ process }) => process.memory.bufferWords.some((words) => words[SYNCED] !== words[WRITTEN]),
  unconfirmed: ({ process }) =>
    process.memory.bufferWords.some((words) => words[CONFIRMED] !== words[WRITTEN]),
  'disk busy': ({ process }) => process.threads.some((thread) => (thread?.disk.inFlight ?? 0) > 0),
  checkpoint: ({ process }) => process.threads.some((thread) => (thread?.engine.inFlight ?? 0) > 0),
  'full segment': ({ process }) => process.threads.some((thread) => thread?.hasFullSegment === true),
  'journal anew': ({ process }) => process.threads.some((thread) => thread?.pipeline.rehoming === true),
  'hint waits': ({ process }) => process.threads.some((thread) => (thread?.node?.hintsWaiting ?? 0) > 0),
  'hint gone': ({ process, scheduler }) => scheduler.nowMs - process.hintGoneMs < JUST_MS,
  'ring changes': ({ process }) => process.keeper.isChanging,
  'being rebuilt': ({ machine }) => machine.rebuilding.size > 0,
  'vnode away': ({ process }) => process.threads.some((thread) => thread?.node === undefined),
};

export const STATE_NAMES: readonly string[] = [...Object.keys(STATES), 'another fault'];

/** Whether the world is in one of these states; never while the process is away. */
export function holds(state: string, world: World): boolean {
  return !world.process.dead && STATES[state]!(world);
}

/** Those in which the world is. */
export function statesOf(world: World): string[] {
  return Object.keys(STATES).filter((state) => holds(state, world));
}

/** Fault × state of the protocols: how often they met. */
export class Coverage {
  readonly cells = new Map<string, Map<string, number>>();

  meet(fault: string, states: readonly string[], company: boolean): void {
    let row = this.cells.get(fault);
    if (row === undefined) this.cells.set(fault, (row = new Map()));
    for (const state of company ? [...states, 'another fault'] : states)
      row.set(state, (row.get(state) ?? 0) + 1);
  }

  add(cells: Coverage['cells']): void {
    for (const [fault, theirs] of cells) {
      let row = this.cells.get(fault);
      if (row === undefined) this.cells.set(fault, (row = new Map()));
      for (const [state, count] of theirs) row.set(state, (row.get(state) ?? 0) + count);
    }
  }

  /** Cells that no run has met, as "fault × state". */
  missing(faults: readonly string[]): string[] {
    return faults.flatMap((fault) =>
      STATE_NAMES.filter((state) => !this.cells.get(fault)?.has(state)).map((state) => `${fault} × ${state}`),
    );
  }
}
