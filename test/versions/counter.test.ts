import { expect, test } from 'vitest';
import { increment, total, type IncrementOutcome } from '../../src/versions/counter.js';
import { sync, update, type Clock } from '../../src/versions/dvvs.js';
import { bit, NaiveHistory, seeded } from './model.js';

type Value = number | 'deleted' | 'text';
const MAX = Number.MAX_SAFE_INTEGER;

function subtotalOf(value: Value): number | undefined {
  if (value === 'text') return undefined;
  return value === 'deleted' ? 0 : value;
}

function add(clock: Clock<Value>, actor: number, by: number): IncrementOutcome<Value> {
  return increment<Value>(clock, actor, by, (subtotal) => subtotal, subtotalOf);
}

function added(clock: Clock<Value>, actor: number, by: number): Clock<Value> {
  const outcome = add(clock, actor, by);
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome.clock;
}

test('an increment replaces the actor’s own subtotal and keeps all others', () => {
  const clock = added(added(added([], 1, 5), 2, 7), 1, -2);
  expect(clock).toEqual([
    { actor: 1, n: 2, values: [3] },
    { actor: 2, n: 1, values: [7] },
  ]);
  expect(total(clock, subtotalOf)).toEqual({ ok: true, total: 10 });
  expect(total([], subtotalOf)).toEqual({ ok: true, total: 0 });
});

test('totals are exact after any syncs: each known increment counts once (40,000 random steps)', () => {
  for (let seed = 1; seed <= 800; seed++) {
    const pick = seeded(seed);
    const history = new NaiveHistory();
    const amounts: number[] = [];
    let nextActor = 0;
    const replicas = Array.from({ length: 2 + pick(3) }, () => ({
      clock: [] as Clock<Value>,
      known: 0n,
      actor: ++nextActor,
    }));
    for (let step = 0; step < 50; step++) {
      const replica = replicas[pick(replicas.length)]!;
      const other = replicas[pick(replicas.length)]!;
      const action = pick(20);
      if (action < 10) {
        const by = pick(2_001) - 1_000;
        amounts.push(by);
        replica.known |= bit(history.write(0n));
        replica.clock = added(replica.clock, replica.actor, by);
      } else if (action < 19) {
        replica.known |= other.known;
        replica.clock = sync(replica.clock, other.clock);
      } else {
        replica.clock = [];
        replica.known = 0n;
        replica.actor = ++nextActor;
      }
      const sum = history.membersOf(replica.known).reduce((acc, write) => acc + amounts[write]!, 0);
      expect(total(replica.clock, subtotalOf)).toEqual({ ok: true, total: sum });
    }
  }
});

test('a delete takes away what it has seen, a concurrent increment stays', () => {
  const clock = added(added([], 1, 5), 2, 7);
  const deleted = update<Value>(clock, 'deleted', clock, 1);
  expect(total(deleted, subtotalOf)).toEqual({ ok: true, total: 0 });
  const merged = sync(deleted, added(clock, 2, 1));
  expect(total(merged, subtotalOf)).toEqual({ ok: true, total: 8 });
  expect(total(added(deleted, 1, 4), subtotalOf)).toEqual({ ok: true, total: 4 });
});

test('a blind delete beside the subtotal of the same actor does not lose the subtotal', () => {
  const clock = update<Value>([], 'deleted', added([], 1, 5), 1);
  expect(added(clock, 1, 1)).toEqual([{ actor: 1, n: 3, values: [6] }]);
});

test('an ordinary value is no counter, under the own actor or another one', () => {
  const text = update<Value>([], 'text', [], 1);
  expect(add(text, 1, 1)).toEqual({ ok: false, reason: 'not-a-counter' });
  expect(add(text, 2, 1)).toEqual({ ok: false, reason: 'not-a-counter' });
  expect(total(text, subtotalOf)).toEqual({ ok: false, reason: 'not-a-counter' });
});

test('overflow of a subtotal or of the sum is an outcome, and exact up to the last unit', () => {
  const full = added([], 1, MAX);
  expect(add(full, 1, 1)).toEqual({ ok: false, reason: 'overflow' });
  expect(add(full, 2, 1)).toEqual({ ok: false, reason: 'overflow' });
  expect(add(added([], 1, -MAX), 1, -1)).toEqual({ ok: false, reason: 'overflow' });
  expect(add(added([], 1, MAX - 1), 2, 1)).toMatchObject({ ok: true, total: MAX });
});

test('two increments that fit alone and overflow together are seen after the merge, and can be undone', () => {
  const merged = sync(added([], 1, MAX), added([], 2, 10));
  expect(total(merged, subtotalOf)).toEqual({ ok: false, reason: 'overflow' });
  expect(add(merged, 3, -10)).toMatchObject({ ok: true, total: MAX });
});

test('subtotals of both signs that leave the safe range on the way still sum exactly', () => {
  const merged = sync(sync(added([], 1, MAX), added([], 2, MAX)), added([], 3, -MAX));
  expect(total(merged, subtotalOf)).toEqual({ ok: true, total: MAX });
});

test('an increment by anything but a safe integer is refused', () => {
  for (const by of [0.5, Number.NaN, Infinity, MAX + 1]) {
    expect(() => add([], 1, by)).toThrowError(
      expect.objectContaining({ code: 'BAD_REQUEST', details: { by } }),
    );
  }
});
