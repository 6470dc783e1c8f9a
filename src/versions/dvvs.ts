import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';

/**
 * Dotted version vector sets (Almeida, Baquero, Gonçalves, Preguiça).
 *
 * Invariant of an entry: 0 <= values.length <= n, newest first; `values[i]` owns the dot
 * (actor, n - i). Every dot (actor, 1..n) is known; a dot that is known and has no value here was
 * superseded. Hence the floor n - values.length: dots up to it are dead, the ones above it live.
 *
 * Because a replica only ever copies whole clocks, and a coordinator extends an actor only without
 * a gap, the known dots of an actor are always the run 1..n; one counter describes them. A
 * coordinator that may have forgotten dots of its actor (a reaped tombstone) passes the greatest of
 * them as `floor`: an entry without values goes on above it, and so calls dots known that were
 * superseded everywhere, or that nobody has ever made.
 */
export interface Entry<V> {
  /** Unsigned 32-bit; a clock is sorted by it, ascending, each at most once. */
  readonly actor: number;
  /** Dots that the actor has made, 0 to 2^32 - 1; 0 says the same as no entry. */
  readonly n: number;
  readonly values: readonly V[];
}

/** All that a replica knows about a key. A clock without values is a version vector: a context. */
export type Clock<V> = readonly Entry<V>[];

/** The last dot of an actor. */
export const MAX_DOT = 0xffff_ffff;

/** The version vector of everything the clock knows: what a client receives as its context (§4.4). */
export function join(clock: Clock<unknown>): Clock<never> {
  const vector: Entry<never>[] = [];
  for (const { actor, n } of clock) if (n > 0) vector.push({ actor, n, values: [] });
  return vector;
}

/** Drops the values that the context has seen; counters stay as they are. */
export function discard<V>(clock: Clock<V>, context: Clock<unknown>): Clock<V> {
  return clock.map((entry) => {
    const seen = context.find((other) => other.actor === entry.actor)?.n ?? 0;
    return keepNewest(entry, Math.min(entry.values.length, Math.max(0, entry.n - seen)));
  });
}

/**
 * Makes the actor's next dot for `value` and keeps every other value.
 *
 * @param floor dots of the actor up to it may have been made for this key and forgotten
 * @throws RingletError BAD_CONTEXT when the actor has no dot left. Counting there takes 2^32 puts,
 * so only a forged context gets a key this far, and a client's forgery must not stop a coordinator.
 */
export function event<V>(clock: Clock<V>, actor: number, value: V, floor = 0): Clock<V> {
  const own = clock.find((entry) => entry.actor === actor);
  const values = own?.values ?? [];
  // Values end a run of dots: their entry is one that was never forgotten.
  const n = nextDot(actor, own, values.length === 0 ? floor : 0);
  return withEntry(clock, { actor, n, values: [value, ...values] });
}

/** Merges what two replicas know: commutative, associative, idempotent; equal dots carry equal values. */
export function sync<V>(a: Clock<V>, b: Clock<V>): Clock<V> {
  const merged: Entry<V>[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    let entry: Entry<V>;
    if (right === undefined || (left !== undefined && left.actor < right.actor)) {
      entry = left!;
      i += 1;
    } else if (left === undefined || right.actor < left.actor) {
      entry = right;
      j += 1;
    } else {
      entry = mergeEntries(left, right);
      i += 1;
      j += 1;
    }
    // A zero counter counts as a difference to nobody: {a:1} and {a:1, b:0} are the same clock.
    if (entry.n > 0) merged.push(entry);
  }
  return merged;
}

/**
 * A put at its coordinator: the new value supersedes exactly what `context` has seen. Counters of
 * the context are carried forward, also of actors unknown here, or what they stand for would come
 * back as a sibling with the next sync.
 */
export function update<V>(
  context: Clock<unknown>,
  value: V,
  clock: Clock<V>,
  actor: number,
  floor = 0,
): Clock<V> {
  return event(sync<V>(join(context), clock), actor, value, floor);
}

/** True iff `a` knows every dot that `b` knows; it may still hold values that `b` has superseded. */
export function descends(a: Clock<unknown>, b: Clock<unknown>): boolean {
  return everyEntry(a, b, (ours, theirs) => ours.n >= theirs.n);
}

/** True iff sync(a, b) equals `a`: `b` has neither a dot nor a superseding that `a` lacks. */
export function covers(a: Clock<unknown>, b: Clock<unknown>): boolean {
  return everyEntry(a, b, (ours, theirs) => ours.n >= theirs.n && floorOf(ours) >= floorOf(theirs));
}

/** Equal counters and equal list lengths; equal dots carry equal values, so values are not compared. */
export function equal(a: Clock<unknown>, b: Clock<unknown>): boolean {
  return covers(a, b) && covers(b, a);
}

/** The live values (siblings) in entry order, newest first within an actor. Never deduplicated by value. */
export function values<V>(clock: Clock<V>): V[] {
  const live: V[] = [];
  for (const entry of clock) for (const value of entry.values) live.push(value);
  return live;
}

/** The clock with this actor's entry put in its place, sorted. */
export function withEntry<V>(clock: Clock<V>, entry: Entry<V>): Clock<V> {
  const at = clock.findIndex((other) => other.actor >= entry.actor);
  if (at < 0) return [...clock, entry];
  const replaced = clock[at]!.actor === entry.actor ? 1 : 0;
  return [...clock.slice(0, at), entry, ...clock.slice(at + replaced)];
}

/** The counter of the actor's next dot, above its entry if it has one and `floor`; throws as {@link event} does. */
export function nextDot(actor: number, own: Entry<unknown> | undefined, floor = 0): number {
  assert(actor >>> 0 === actor, 'an actor is an unsigned 32-bit number');
  const n = Math.max(own?.n ?? 0, floor);
  if (n >= MAX_DOT) {
    throw new RingletError('BAD_CONTEXT', 'The actor has no dot left', { actor, n, limit: MAX_DOT });
  }
  return n + 1;
}

function floorOf(entry: Entry<unknown>): number {
  return entry.n - entry.values.length;
}

function keepNewest<V>(entry: Entry<V>, keep: number): Entry<V> {
  if (keep === entry.values.length) return entry;
  return { actor: entry.actor, n: entry.n, values: entry.values.slice(0, keep) };
}

/** A dot dead on either side is dead; the side with the larger n holds every dot above both floors. */
function mergeEntries<V>(left: Entry<V>, right: Entry<V>): Entry<V> {
  const newer = left.n >= right.n ? left : right;
  return keepNewest(newer, newer.n - Math.max(floorOf(left), floorOf(right)));
}

function everyEntry(
  a: Clock<unknown>,
  b: Clock<unknown>,
  holds: (ours: Entry<unknown>, theirs: Entry<unknown>) => boolean,
): boolean {
  let i = 0;
  for (const theirs of b) {
    if (theirs.n === 0) continue;
    while (i < a.length && a[i]!.actor < theirs.actor) i += 1;
    const ours = a[i];
    if (ours === undefined || ours.actor !== theirs.actor || !holds(ours, theirs)) return false;
  }
  return true;
}
