import { expect, test } from 'vitest';
import { join, sync, update, values, type Clock } from '../../src/versions/dvvs.js';
import { reduceToGreatest } from '../../src/versions/lww.js';
import { seeded } from './model.js';

interface Stamped {
  readonly at: number;
  readonly write: number;
}

function reduce(clock: Clock<Stamped>): Clock<Stamped> {
  return reduceToGreatest(clock, (value) => value.at);
}

function merge(a: Clock<Stamped>, b: Clock<Stamped>): Clock<Stamped> {
  return reduce(sync(a, b));
}

test('the greatest timestamp wins and every entry keeps its n', () => {
  const old = { at: 1, write: 0 };
  const mid = { at: 2, write: 1 };
  const top = { at: 3, write: 2 };
  const clock = [
    { actor: 1, n: 4, values: [top, old] },
    { actor: 2, n: 2, values: [mid] },
    { actor: 3, n: 1, values: [] },
  ];
  expect(reduce(clock)).toEqual([
    { actor: 1, n: 4, values: [top] },
    { actor: 2, n: 2, values: [] },
    { actor: 3, n: 1, values: [] },
  ]);
});

test('at equal timestamps the greater actor wins, compared as unsigned', () => {
  const [low, high] = [
    { at: 7, write: 0 },
    { at: 7, write: 1 },
  ];
  const a = [{ actor: 5, n: 9, values: [low] }];
  const b = [{ actor: 0xffff_fff0, n: 1, values: [high] }];
  expect(values(merge(a, b))).toEqual([high]);
  expect(values(merge(b, a))).toEqual([high]);
});

test('one live value, or none, is left as it is', () => {
  const one: Clock<Stamped> = [{ actor: 1, n: 2, values: [{ at: 1, write: 0 }] }];
  expect(reduce(one)).toBe(one);
  expect(reduce(join(one))).toEqual(join(one));
});

test('reduce after sync is commutative, associative and idempotent, and all end at the greatest (40,000 random steps)', () => {
  for (let seed = 1; seed <= 800; seed++) {
    const pick = seeded(seed);
    // Ticks are coarse, so that equal timestamps occur; each replica's clock is hybrid: it is above
    // everything that it knows, as the process-wide one is above everything.
    const replicas = Array.from({ length: 2 + pick(4) }, (_, i) => ({
      clock: [] as Clock<Stamped>,
      actor: Math.imul(i + 1, 0x9e37_79b1) >>> 0,
      latest: 0,
    }));
    const contexts: { context: Clock<never>; latest: number }[] = [{ context: [], latest: 0 }];
    const written: { at: number; actor: number; write: number }[] = [];
    for (let step = 0; step < 50; step++) {
      const replica = replicas[pick(replicas.length)]!;
      const other = replicas[pick(replicas.length)]!;
      const action = pick(10);
      if (action < 2) contexts.push({ context: join(replica.clock), latest: replica.latest });
      else if (action < 6) {
        const { context, latest } = contexts[pick(contexts.length)]!;
        replica.latest = Math.max(replica.latest, latest) + 1;
        const value = { at: replica.latest, write: step };
        replica.clock = reduce(update(context, value, replica.clock, replica.actor));
        written.push({ ...value, actor: replica.actor });
      } else {
        const merged = merge(replica.clock, other.clock);
        expect(merge(other.clock, replica.clock)).toEqual(merged);
        expect(merge(merged, other.clock)).toEqual(merged);
        expect(merge(merged, merged)).toEqual(merged);
        replica.clock = merged;
        replica.latest = Math.max(replica.latest, other.latest);
      }
    }
    for (const a of replicas) {
      for (const b of replicas) {
        for (const c of replicas) {
          const left = merge(merge(a.clock, b.clock), c.clock);
          expect(merge(a.clock, merge(b.clock, c.clock))).toEqual(left);
        }
      }
    }
    const healed = replicas.reduce<Clock<Stamped>>((clock, replica) => merge(clock, replica.clock), []);
    const winner = written.toSorted((x, y) => y.at - x.at || y.actor - x.actor)[0];
    expect(values(healed).map((value) => value.write)).toEqual(winner === undefined ? [] : [winner.write]);
  }
});
