import type { RingPlan } from '../client/ring-api.js';
import { movedPartitions, walks } from '../ring/parties.js';
import { type RingState } from '../ring/state.js';

/**
 * What a change would move. Keys are estimated: those of a virtual node are spread evenly over the
 * partitions that it owns copies of.
 *
 * @param keys of every virtual node, by slot
 */
export function planOf(state: RingState, keys: readonly number[]): RingPlan {
  const { change, nodes } = state;
  const { kind, node, replicas } = change!;
  const n = replicas.at(-1) ?? 1;
  const names = new Map<number, string>();
  for (const { id, firstSlot, vnodes } of nodes)
    for (let i = 0; i < vnodes; i++) names.set(firstSlot + i, `${id}.${i}`);
  const before = walks(state, 'from');
  const after = walks(state, 'to');
  const held = new Map<number, number>();
  for (const list of before) for (const slot of list.slice(0, n)) held.set(slot, (held.get(slot) ?? 0) + 1);
  const share = (slot: number): number => (keys[slot] ?? 0) / (held.get(slot) ?? 1);
  const partitions = movedPartitions(state).map((partition) => {
    const from = before[partition]!.slice(0, n).filter(
      (slot) => !after[partition]!.slice(0, n).includes(slot),
    );
    const to = after[partition]!.slice(0, n).filter((slot) => !before[partition]!.slice(0, n).includes(slot));
    const moving = from.reduce((sum, slot) => sum + share(slot), 0);
    return {
      partition,
      from: from.map((slot) => names.get(slot)!),
      to: to.map((slot) => names.get(slot)!),
      keys: Math.round(moving),
    };
  });
  return {
    change: kind,
    node,
    partitions,
    keys: partitions.reduce((sum, { keys: moving }) => sum + moving, 0),
    allKeys: keys.reduce((sum, count) => sum + count, 0),
  };
}
