import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { memberWords, membersWithin, readMembers, writeMembers } from '../../src/messaging/member-rows.js';
import { compareMembers, Membership, type Member } from '../../src/ring/membership.js';

/** Few ids and small numbers, so that rows meet. */
const member: fc.Arbitrary<Member> = fc.record({
  id: fc.constantFrom('n1.0', 'n1.1', 'n2.0', 'n10.0'),
  capacity: fc.integer({ min: 1, max: 3 }),
  incarnation: fc.nat(3),
  version: fc.nat(4),
  status: fc.nat(3),
});
const rows = fc.array(member, { maxLength: 12 });

function merged(...lists: readonly (readonly Member[])[]): Member[] {
  const membership = new Membership();
  for (const list of lists) for (const row of list) membership.merge(row);
  return membership.list();
}

describe('membership', () => {
  test('merging is commutative, associative and idempotent, and the digest says whether rows are equal', () => {
    fc.assert(
      fc.property(rows, rows, rows, (a, b, c) => {
        const whole = merged(a, b, c);
        expect(merged(c, a, b)).toEqual(whole);
        expect(merged(a, merged(b, c))).toEqual(whole);
        expect(merged(merged(a, b), c)).toEqual(whole);
        expect(merged(whole, a, whole, c)).toEqual(whole);
        const [one, other] = [new Membership(a), new Membership(b)];
        expect(one.digest === other.digest).toBe(JSON.stringify(one.list()) === JSON.stringify(other.list()));
      }),
      { numRuns: 500 },
    );
  });

  test('of each member the highest version is left, against a naive model', () => {
    fc.assert(
      fc.property(rows, (list) => {
        for (const row of merged(list)) {
          const rivals = list.filter(({ id }) => id === row.id);
          expect(row.version).toBe(Math.max(...rivals.map(({ version }) => version)));
          expect(rivals.every((rival) => compareMembers(rival, row) <= 0)).toBe(true);
        }
        expect(new Set(merged(list).map(({ id }) => id))).toEqual(new Set(list.map(({ id }) => id)));
      }),
    );
  });

  test('it holds a bounded number of members', () => {
    const membership = new Membership();
    for (let i = 0; i < LIMITS.members + 10; i++)
      membership.merge({ id: `n${i}.0`, capacity: 1, incarnation: 1, version: 1, status: 0 });
    expect(membership.list()).toHaveLength(LIMITS.members);
  });
});

describe('members in a frame', () => {
  test('come out as they went in, at any place', () => {
    fc.assert(
      fc.property(rows, fc.nat(5), (list, at) => {
        const words = new Int32Array(at + memberWords(list)).fill(-1);
        const bytes = new Uint8Array(words.buffer);
        writeMembers(list, words, bytes, at);
        expect(membersWithin(words, at, list.length, words.length)).toBe(true);
        expect(membersWithin(words, at, list.length + 1, words.length)).toBe(false);
        if (list.length > 0) expect(membersWithin(words, at, list.length, words.length - 1)).toBe(false);
        expect(readMembers(words, bytes, at, list.length)).toEqual(list);
      }),
    );
  });
});
