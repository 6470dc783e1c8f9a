import { describe, expect, it } from 'vitest';
import { beginJoin, beginLeave, rollBack, startMoving, withFacts } from '../../src/ring/change.js';
import { movedPartitions, slotsToClean, walks } from '../../src/ring/parties.js';
import {
  changingNode,
  firstState,
  membersOf,
  renumbered,
  type RingFact,
  type RingState,
} from '../../src/ring/state.js';
import { keepsCopies, otherOwners, ownersAlone, ringOfState } from '../../src/ring/live-ring.js';
import { buildRing, HANDED, MOVING, STAYS } from '../../src/ring/ring.js';
import { seeded } from '../versions/model.js';

const spec = (nodes: number, partitions = 32) => ({
  nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i + 1}`, capacity: 1, vnodes: 1 })),
  partitions,
  spacing: 3,
});
const joining = (nodes = 4, n = [3]): RingState =>
  startMoving(beginJoin(firstState(spec(nodes)), { id: 'new', capacity: 1, vnodes: 1 }, n, 64));

/** Who has to come and to go before a partition's next step. */
function parties(state: RingState, partition: number, n: number): { coming: number[]; going: number[] } {
  const from = walks(state, 'from')[partition]!.slice(0, n);
  const to = walks(state, 'to')[partition]!.slice(0, n);
  return {
    coming: to.filter((slot) => !from.includes(slot)),
    going: from.filter((slot) => !to.includes(slot)),
  };
}

function factsFor(state: RingState, kind: 'came' | 'compared'): RingFact[] {
  const { replicas } = state.change!;
  return movedPartitions(state).flatMap((partition) => {
    const slots = new Set(
      replicas.flatMap((n) => parties(state, partition, n)[kind === 'came' ? 'coming' : 'going']),
    );
    return [...slots].map((slot) => ({ kind, partition, slot, keys: 1 }));
  });
}

function finish(state: RingState): RingState {
  let next = withFacts(state, factsFor(state, 'came'));
  next = withFacts(next, factsFor(next, 'compared'));
  return withFacts(
    next,
    slotsToClean(next).map((slot) => ({ kind: 'cleaned', slot })),
  );
}

describe('the state of the ring', () => {
  it('without a change routes as the first placement does, with the same epoch', () => {
    const ring = buildRing(spec(5));
    const live = ringOfState(firstState(spec(5)));
    expect([live.epoch, live.preference, live.owner]).toEqual([ring.epoch, ring.preference, ring.owner]);
  });

  it('goes from starting to moving, cleaning and its end, one step per kind of fact, and knows no way back', () => {
    const starting = beginJoin(firstState(spec(4)), { id: 'n5', capacity: 2, vnodes: 2 }, [3], 64);
    expect(starting.change?.phase).toBe('starting');
    expect(ringOfState(starting).moves).toBeUndefined();
    expect(withFacts(starting, factsFor(starting, 'came'))).toBe(starting);
    const moving = startMoving(starting);
    expect(withFacts(moving, factsFor(moving, 'compared'))).toBe(moving);
    const handed = withFacts(moving, factsFor(moving, 'came'));
    expect(handed.change!.handed.filter((at) => at === handed.revision)).toHaveLength(
      movedPartitions(moving).length,
    );
    expect(withFacts(handed, factsFor(handed, 'came'))).toBe(handed);
    const cleaning = withFacts(handed, factsFor(handed, 'compared'));
    expect(cleaning).toMatchObject({ change: { phase: 'cleaning' }, owner: moving.change!.to });
    const [first, ...rest] = slotsToClean(cleaning);
    expect(withFacts(cleaning, [{ kind: 'cleaned', slot: first! }]).change?.phase).toBe('cleaning');
    const over = withFacts(
      cleaning,
      [first!, ...rest].map((slot) => ({ kind: 'cleaned', slot })),
    );
    expect(over.change).toBeUndefined();
    const revisions = [starting, moving, handed, cleaning, over].map(({ revision }) => revision);
    expect(revisions).toEqual([...new Set(revisions)].toSorted((a, b) => a - b));
    expect(membersOf(over, 'from').map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4', 'n5']);
  });

  it('a partition with several that come is handed over when the last one has come', () => {
    const severalOf = (all: readonly RingFact[]): RingFact[] => {
      return all.filter(
        (fact, i) => all.findIndex((other) => partitionOf(other) === partitionOf(fact)) !== i,
      );
    };
    const partitionOf = (fact: RingFact): number => (fact.kind === 'cleaned' ? -1 : fact.partition);
    const states = [5, 6, 7].map((nodes) => beginLeave(firstState(spec(nodes)), 'n3', [1, 2, 3, 4]));
    const state = states.find((one) => severalOf(factsFor(one, 'came')).length > 0)!;
    const facts = factsFor(state, 'came');
    const several = severalOf(facts);
    for (const last of several) {
      const others = facts.filter((fact) => fact !== last);
      expect(withFacts(state, others).change!.handed[partitionOf(last)]).toBe(0);
    }
    expect(withFacts(state, facts).change!.handed.filter((at) => at > 0)).toHaveLength(
      movedPartitions(state).length,
    );
  });

  it('takes facts of nobody who comes or goes for nothing', () => {
    const state = joining();
    const [partition] = movedPartitions(state);
    const { going } = parties(state, partition!, 3);
    expect(withFacts(state, [{ kind: 'came', partition: partition!, slot: going[0]!, keys: 1 }])).toBe(state);
    expect(withFacts(state, [{ kind: 'came', partition: 99, slot: 4, keys: 1 }])).toBe(state);
    expect(withFacts(state, [{ kind: 'cleaned', slot: 0 }])).toBe(state);
  });

  it('a second change, a member that joins, a stranger or too many that leave, and slots beyond the room are refused', () => {
    const code = (action: () => unknown): string => {
      try {
        action();
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'nothing';
    };
    const first = firstState(spec(4));
    const node = { id: 'n5', capacity: 1, vnodes: 1 };
    expect(code(() => beginJoin(joining(), node, [3], 64))).toBe('RING_CHANGING');
    expect(code(() => beginLeave(joining(), 'n1', [3]))).toBe('RING_CHANGING');
    expect(code(() => beginJoin(first, { ...node, id: 'n2' }, [3], 64))).toBe('BAD_REQUEST');
    expect(code(() => beginJoin(first, node, [3], 4))).toBe('RING_FULL');
    expect(code(() => beginLeave(first, 'n9', [3]))).toBe('BAD_REQUEST');
    expect(code(() => beginLeave(first, 'n1', [3, 4]))).toBe('BAD_REQUEST');
    expect(code(() => beginLeave(first, 'n1', [3]))).toBe('nothing');
  });

  it('is taken back as long as nothing was handed over; copies that came go again, and then it routes as before', () => {
    const before = firstState(spec(4));
    for (const state of [joining(), beginLeave(before, 'n2', [3])]) {
      const cleaning = rollBack(state);
      const ring = ringOfState(cleaning);
      expect([cleaning.change?.phase, ring.moves, cleaning.owner]).toEqual([
        'cleaning',
        undefined,
        before.owner,
      ]);
      // Whoever was to come may have copies, or hints of others.
      const coming = factsFor(state, 'came').map((fact) => (fact.kind === 'cleaned' ? -1 : fact.slot));
      expect(slotsToClean(cleaning)).toEqual([...new Set(coming)].toSorted((a, b) => a - b));
      const facts = slotsToClean(cleaning).map((slot) => ({ kind: 'cleaned', slot }) as const);
      const back = withFacts(cleaning, facts);
      expect(back.change).toBeUndefined();
      expect(ringOfState(back).epoch).toBe(ringOfState(before).epoch);
      const handed = withFacts(state, factsFor(state, 'came'));
      expect(() => rollBack(handed)).toThrow(expect.objectContaining({ code: 'RING_CHANGING' }));
    }
  });

  it('a join whose threads never served is over at once when it is taken back', () => {
    const starting = beginJoin(firstState(spec(4)), { id: 'n5', capacity: 1, vnodes: 1 }, [3], 64);
    const back = rollBack(starting);
    expect([back.change, back.nodes.at(-1)?.gone]).toEqual([undefined, true]);
  });

  it('a joiner that is lost is not waited for, before and after it was taken back', () => {
    const state = joining();
    const joiner = changingNode(state)!.firstSlot;
    const back = rollBack(state);
    for (const abandoned of [rollBack(state, true), rollBack(back, true)]) {
      expect(ringOfState(abandoned).cleaning?.slots ?? []).not.toContain(joiner);
      const facts = slotsToClean(abandoned).map((slot) => ({ kind: 'cleaned', slot }) as const);
      const over = withFacts(abandoned, facts);
      expect([over.change, over.nodes.find(({ firstSlot }) => firstSlot === joiner)?.gone]).toEqual([
        undefined,
        true,
      ]);
    }
    const handed = withFacts(state, factsFor(state, 'came'));
    expect(() => rollBack(handed, true)).toThrow(expect.objectContaining({ code: 'RING_CHANGING' }));
    const leaving = beginLeave(firstState(spec(5)), 'n2', [3]);
    expect(() => rollBack(leaving, true)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('numbered anew routes alike, in any phase; slots of those who left are free again', () => {
    const left = finish(beginLeave(firstState(spec(5)), 'n2', [3]));
    const again = renumbered(left);
    expect(again.nodes.map(({ firstSlot }) => firstSlot)).toEqual([0, 1, 2, 3]);
    expect(ringOfState(again).epoch).toBe(ringOfState(left).epoch);
    const rejoined = startMoving(beginJoin(left, { id: 'n2', capacity: 1, vnodes: 1 }, [3], 64));
    const half = withFacts(rejoined, factsFor(rejoined, 'came').slice(0, 5));
    const names = (state: RingState): string[] => {
      const ring = ringOfState(state);
      return Array.from(ring.preference, (slot) => ring.vnodes[slot]!.id);
    };
    expect(names(renumbered(half))).toEqual(names(half));
    expect(finish(renumbered(half)).change).toBeUndefined();
  });
});

describe('routing during a change', () => {
  it('reads from the old owners before the handover and from the new ones after it; lists name every node once', () => {
    const moving = joining(5);
    const facts = factsFor(moving, 'came');
    const half = withFacts(moving, facts.slice(0, Math.floor(facts.length / 2)));
    const ring = ringOfState(half);
    const from = walks(half, 'from');
    const to = walks(half, 'to');
    for (let p = 0; p < ring.partitions; p++) {
      const list = Array.from(
        ring.preference.subarray(p * ring.preferenceLength, (p + 1) * ring.preferenceLength),
      );
      expect(new Set(list).size).toBe(6);
      const step = ring.moves!.state[p]!;
      const read = step === MOVING ? from[p]! : to[p]!;
      expect(new Set(list.slice(0, 3))).toEqual(new Set(read.slice(0, 3)));
      const { coming, going } = parties(half, p, 3);
      expect(step === STAYS).toBe(coming.length === 0);
      expect(otherOwners(ring, p, 3)).toEqual(step === HANDED ? going : coming);
      if (step !== STAYS) expect(ownersAlone(ring, p, 3)).toEqual(step === HANDED ? coming : going);
      for (const slot of [...from[p]!.slice(0, 3), ...to[p]!.slice(0, 3)])
        expect(keepsCopies(ring, p, 3, slot)).toBe(true);
    }
  });

  it('a list names each node once, also where another virtual node stands for it after the change', () => {
    const nodes = Array.from({ length: 5 }, (_, i) => ({ id: `n${i + 1}`, capacity: 1, vnodes: 2 }));
    const first = firstState({ nodes, partitions: 64, spacing: 3 });
    for (const { id } of nodes) {
      const state = beginLeave(first, id, [3]);
      const facts = factsFor(state, 'came');
      const ring = ringOfState(withFacts(state, facts.slice(0, facts.length >>> 1)));
      const { preference, preferenceLength: length, vnodes } = ring;
      for (const table of [preference, ring.moves!.other]) {
        for (let at = 0; at < table.length; at += length) {
          const named = Array.from(table.subarray(at, at + length), (slot) => vnodes[slot]!.node);
          expect(new Set(named).size).toBe(5);
        }
      }
    }
  });

  it('twenty random changes in a row: a join of one in N moves about N of N+1 lists and only to and from few; lists stay whole', () => {
    const random = seeded(7);
    let state = firstState(spec(5, 64));
    for (let i = 0; i < 20; i++) {
      const members = membersOf(state, 'from');
      const joins = members.length <= 4 || (members.length < 8 && random(2) === 0);
      const before = ringOfState(state);
      state = joins
        ? startMoving(
            beginJoin(state, { id: `x${i}`, capacity: 1 + random(2), vnodes: 1 + random(2) }, [1, 3], 64),
          )
        : beginLeave(state, members[random(members.length)]!.id, [1, 3]);
      const moved = state.change!.to.filter((slot, p) => slot !== state.change!.from[p]).length;
      // K/n: what is dealt to one node, and at most as much again to keep nodes apart.
      expect(moved).toBeLessThanOrEqual(
        Math.ceil((64 / Math.min(members.length, before.preferenceLength)) * 2) + 3,
      );
      state = finish(state);
      expect(state.change).toBeUndefined();
      const ring = ringOfState(state);
      const alive = new Set(membersOf(state, 'from').map(({ id }) => id));
      for (const slot of ring.preference) expect(alive.has(ring.vnodes[slot]!.node)).toBe(true);
    }
  });
});
