import { expect, test } from 'vitest';
import {
  covers,
  descends,
  discard,
  equal,
  event,
  join,
  sync,
  update,
  values,
  type Clock,
} from '../../src/versions/dvvs.js';
import { seeded } from './model.js';

const A = 1;
const B = 2;
const C = 3;
const X = 0xffff_fff0;

type Short = readonly [actor: number, n: number, values: readonly string[]];
function clock(...entries: readonly Short[]): Clock<string> {
  return entries.map(([actor, n, values]) => ({ actor, n, values }));
}

test('blind v1, then blind v2, both at a: both live, newest first', () => {
  const first = update([], 'v1', clock(), A);
  expect(update([], 'v2', first, A)).toEqual(clock([A, 2, ['v2', 'v1']]));
});

test('then v3 with context {a:1}: supersedes v1 and leaves v2 as its sibling', () => {
  expect(update(clock([A, 1, []]), 'v3', clock([A, 2, ['v2', 'v1']]), A)).toEqual(
    clock([A, 3, ['v3', 'v2']]),
  );
});

test('context {a:1}, v4 at b, over (a, 2, [v2]): concurrent to v2', () => {
  expect(update(clock([A, 1, []]), 'v4', clock([A, 2, ['v2']]), B)).toEqual(
    clock([A, 2, ['v2']], [B, 1, ['v4']]),
  );
});

test('sync of (a, 1, []) with (a, 2, [v2, v1]) drops v1, in either order', () => {
  const read = clock([A, 1, []]);
  const both = clock([A, 2, ['v2', 'v1']]);
  expect(sync(read, both)).toEqual(clock([A, 2, ['v2']]));
  expect(sync(both, read)).toEqual(clock([A, 2, ['v2']]));
});

test('the same value under dots of b and of c: both kept', () => {
  const merged = sync(clock([B, 1, ['same']]), clock([C, 1, ['same']]));
  expect(merged).toEqual(clock([B, 1, ['same']], [C, 1, ['same']]));
  expect(values(merged)).toEqual(['same', 'same']);
});

test('an unknown actor (x, 1, []) in the context is kept', () => {
  const written = update(clock([X, 1, []]), 'v', clock([A, 1, ['old']]), A);
  expect(written).toEqual(clock([A, 2, ['v', 'old']], [X, 1, []]));
  expect(sync(written, clock([X, 1, ['dead']]))).toEqual(written);
});

test('a zero counter counts for nothing: it is dropped, and compares as absent', () => {
  const plain = clock([A, 1, ['v']]);
  const zero = clock([A, 1, ['v']], [B, 0, []]);
  expect(sync(plain, zero)).toEqual(plain);
  expect(sync(zero, zero)).toEqual(plain);
  expect(join(zero)).toEqual(clock([A, 1, []]));
  expect(equal(plain, zero) && equal(zero, plain)).toBe(true);
  expect(descends(plain, zero) && covers(plain, zero)).toBe(true);
});

test('actors sort as unsigned numbers', () => {
  const written = event(event(event(clock(), X, 'x'), A, 'a'), 0x7fff_ffff, 'm');
  expect(written.map((entry) => entry.actor)).toEqual([A, 0x7fff_ffff, X]);
});

test('join is the version vector without values', () => {
  expect(join(clock([A, 2, ['v2']], [B, 1, []]))).toEqual(clock([A, 2, []], [B, 1, []]));
});

test('discard keeps what the context has not seen, and update is discard plus carried counters', () => {
  const stored = clock([A, 3, ['v3', 'v2', 'v1']], [B, 2, ['w2']]);
  expect(discard(stored, clock([A, 2, []], [B, 9, []]))).toEqual(clock([A, 3, ['v3']], [B, 2, []]));
  expect(discard(stored, [])).toEqual(stored);
  const context = clock([A, 2, []]);
  expect(update(context, 'v4', stored, A)).toEqual(event(discard(stored, context), A, 'v4'));
});

test('a clock that knows as much may still be behind: descends is on n, covers and equal on both', () => {
  const stale = clock([A, 2, ['v2', 'v1']]);
  const merged = clock([A, 2, ['v2']]);
  expect(descends(stale, merged) && descends(merged, stale)).toBe(true);
  expect(covers(merged, stale)).toBe(true);
  expect(covers(stale, merged)).toBe(false);
  expect(equal(stale, merged)).toBe(false);
});

test('an entry without values is never pruned: a late copy of its value stays dead', () => {
  const resolved = update(clock([A, 1, []]), 'merged', clock([A, 1, ['v']]), B);
  expect(sync(resolved, clock([A, 1, ['v']]))).toEqual(clock([A, 1, []], [B, 1, ['merged']]));
});

test('trap: two blind clients of one coordinator; a reader of the first does not destroy the second', () => {
  const first = update([], 'one', clock(), A);
  const context = join(first);
  const both = update([], 'two', first, A);
  const after = update(context, 'three', both, A);
  expect(values(after)).toEqual(['three', 'two']);
});

test('trap: a coordinator that forgot its clock goes on under a fresh actor, or its write is swallowed', () => {
  const peer = clock([A, 1, ['old']]);
  const again = event(clock(), A, 'new');
  expect(values(sync(peer, again)), 'the loss that a fresh actor prevents').toEqual(['old']);
  expect(equal(peer, again), 'and that nobody would notice').toBe(true);
  expect(values(sync(peer, event(clock(), B, 'new')))).toEqual(['old', 'new']);
});

test('a forged context can use up an actor, which is an error of the request and no crash', () => {
  const forged = clock([A, 0xffff_ffff, []]);
  expect(() => update(forged, 'v', clock(), A)).toThrowError(
    expect.objectContaining({
      code: 'BAD_CONTEXT',
      details: { actor: A, n: 0xffff_ffff, limit: 0xffff_ffff },
    }),
  );
});

/** Seven writers read, think, and write back through one coordinator, in a random interleaving. */
function mostSiblings<State, Context>(
  empty: State,
  read: (state: State) => Context,
  write: (context: Context, value: string, state: State) => State,
  siblings: (state: State) => number,
): number {
  let most = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const pick = seeded(seed);
    const contexts: (Context | undefined)[] = Array.from({ length: 7 }, () => undefined);
    let state = empty;
    for (let step = 0; step < 300; step++) {
      const writer = pick(7);
      const context = contexts[writer];
      if (context === undefined) contexts[writer] = read(state);
      else {
        state = write(context, `${writer}.${step}`, state);
        contexts[writer] = undefined;
      }
      most = Math.max(most, siblings(state));
    }
  }
  return most;
}

test('trap: seven read-modify-write clients of one coordinator never see more than seven siblings', () => {
  const dotted = mostSiblings<Clock<string>, Clock<never>>(
    clock(),
    join,
    (context, value, state) => update(context, value, state, A),
    (state) => values(state).length,
  );
  expect(dotted).toBeLessThanOrEqual(7);
  // Plain vector clock, keyed by the coordinator: one counter covers all values together.
  const plain = mostSiblings<{ n: number; values: string[] }, number>(
    { n: 0, values: [] },
    (state) => state.n,
    (context, value, state) => ({
      n: state.n + 1,
      values: context >= state.n ? [value] : [value, ...state.values],
    }),
    (state) => state.values.length,
  );
  expect(plain, 'the sibling explosion that plain vector clocks have').toBeGreaterThan(7);
});
