import { RingletError } from '../base/errors.js';
import { nextDot, withEntry, type Clock } from './dvvs.js';

/**
 * Counters. A counter is an ordinary clock in which every live value is the subtotal of one actor:
 * only that actor ever replaces it, by its next dot, so that the plain `sync` keeps the newest
 * subtotal of each actor and a merge neither loses nor repeats an increment.
 */

/** The value's subtotal, a safe integer; 0 for a tombstone; undefined for a value that is no counter's. */
export type SubtotalOf<V> = (value: V) => number | undefined;

export type TotalOutcome =
  | { readonly ok: true; readonly total: number }
  | { readonly ok: false; readonly reason: 'not-a-counter' }
  /** The sum is outside the safe integers; nothing was changed. */
  | { readonly ok: false; readonly reason: 'overflow' };

export type IncrementOutcome<V> =
  | { readonly ok: true; readonly clock: Clock<V>; readonly total: number }
  | Extract<TotalOutcome, { ok: false }>;

/**
 * Adds `by` to the actor's own subtotal: its entry becomes (actor, n + 1, [subtotal]), all other
 * entries stay, so the increment is concurrent to what other coordinators add.
 *
 * @param by a safe integer, may be negative
 * @param make the value that stands for a subtotal
 * @param floor as in dvvs.ts: the new subtotal takes the place of all dots of the actor
 * @throws RingletError BAD_REQUEST when `by` is no safe integer
 */
export function increment<V>(
  clock: Clock<V>,
  actor: number,
  by: number,
  make: (subtotal: number) => V,
  subtotalOf: SubtotalOf<V>,
  floor = 0,
): IncrementOutcome<V> {
  if (!Number.isSafeInteger(by)) {
    throw new RingletError('BAD_REQUEST', 'An increment must be a safe integer', { by });
  }
  const own = clock.find((entry) => entry.actor === actor);
  // More than one value of its own: a blind delete left its tombstone beside the subtotal.
  const before = sum(own?.values ?? [], subtotalOf);
  if (!before.ok) return before;
  const subtotal = before.total + by;
  if (!Number.isSafeInteger(subtotal)) return { ok: false, reason: 'overflow' };

  const next = withEntry(clock, { actor, n: nextDot(actor, own, floor), values: [make(subtotal)] });
  const after = total(next, subtotalOf);
  return after.ok ? { ok: true, clock: next, total: after.total } : after;
}

/** The sum of all actors' subtotals. */
export function total<V>(clock: Clock<V>, subtotalOf: SubtotalOf<V>): TotalOutcome {
  return sum(
    clock.flatMap((entry) => entry.values),
    subtotalOf,
  );
}

function sum<V>(live: readonly V[], subtotalOf: SubtotalOf<V>): TotalOutcome {
  let quick = 0;
  let exact = true;
  const subtotals: number[] = [];
  for (const value of live) {
    const subtotal = subtotalOf(value);
    if (subtotal === undefined) return { ok: false, reason: 'not-a-counter' };
    subtotals.push(subtotal);
    quick += subtotal;
    exact &&= Number.isSafeInteger(quick);
  }
  if (exact) return { ok: true, total: quick };
  // Subtotals of both signs may leave the safe range on the way and come back to it.
  const slow = subtotals.reduce((acc, subtotal) => acc + BigInt(subtotal), 0n);
  const result = Number(slow);
  return Number.isSafeInteger(result) ? { ok: true, total: result } : { ok: false, reason: 'overflow' };
}
