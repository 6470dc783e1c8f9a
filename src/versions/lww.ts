import type { Clock } from './dvvs.js';

/**
 * Last write wins as a reduction of the clock: keeps the live value with the greatest timestamp,
 * ties broken by the greater dot (actor, then n), and every entry's n, so that what was dropped
 * counts as superseded everywhere and does not come back.
 *
 * Reduce after sync is commutative, associative and idempotent only while timestamps respect
 * causality: a write has a greater timestamp than every write that its coordinator or its context
 * knew. The process-wide hybrid logical clock provides that. With it the timestamps of one actor
 * rise with n, so only the newest value of each entry can win: the only one that can be kept alone,
 * since an entry's values are a run of dots that ends at n.
 *
 * @param timestampOf the value's timestamp, comparable as a number
 */
export function reduceToGreatest<V>(clock: Clock<V>, timestampOf: (value: V) => number): Clock<V> {
  let live = 0;
  let winner = -1;
  let greatest = -Infinity;
  for (let i = 0; i < clock.length; i++) {
    const heads = clock[i]!.values;
    if (heads.length === 0) continue;
    live += heads.length;
    const timestamp = timestampOf(heads[0]!);
    // Entries ascend by actor: at equal timestamps the later one has the greater dot.
    if (timestamp >= greatest) {
      greatest = timestamp;
      winner = i;
    }
  }
  if (live <= 1) return clock;
  return clock.map((entry, i) => {
    if (i !== winner) return entry.values.length === 0 ? entry : { ...entry, values: [] };
    return entry.values.length === 1 ? entry : { ...entry, values: entry.values.slice(0, 1) };
  });
}
