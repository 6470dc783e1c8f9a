import { describe, expect, test } from 'vitest';
import { OUT_CONDITION_UNAVAILABLE, PONG } from '../../src/messaging/frames.js';
import type { LinkFault } from '../../src/messaging/fault-table.js';
import { BUFFER, Cluster } from './cluster.js';

const CUT: LinkFault = { cut: true, drop: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };

/** Everybody has a turn every few milliseconds, but for those that sleep. */
function run(cluster: Cluster, milliseconds: number, asleep: readonly number[] = []): void {
  const untilMs = cluster.nowMs + milliseconds;
  while (cluster.nowMs < untilMs) {
    cluster.nowMs += 5;
    cluster.vnodes.forEach((_, v) => {
      if (!asleep.includes(v)) cluster.poll(v);
    });
  }
}

function make(count = 3): Cluster {
  const cluster = new Cluster(count, 3, BUFFER, undefined, true);
  let state = 1;
  cluster.random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  run(cluster, 2_000);
  return cluster;
}

const suspicions = (cluster: Cluster): number[][] =>
  cluster.suspicions.map((set) => [...set].toSorted((a, b) => a - b));

function cutBetween(
  cluster: Cluster,
  some: readonly number[],
  others: readonly number[],
  fault: LinkFault | undefined,
): void {
  for (const a of some) {
    for (const b of others) {
      cluster.faults!.set(a, b, fault);
      cluster.faults!.set(b, a, fault);
    }
  }
}

describe('failure detection, local to each virtual node', () => {
  test('where nothing is wrong nobody is suspected, and few frames say so', () => {
    const cluster = make(5);
    run(cluster, 60_000);
    expect(suspicions(cluster)).toEqual([[], [], [], [], []]);
  });

  test('one that stops taking turns is suspected by all within a second, and cleared when it goes on', () => {
    const cluster = make();
    run(cluster, 1_000, [1]);
    expect(suspicions(cluster)).toEqual([[1], [], [1]]);
    run(cluster, 20_000, [1]);
    expect(suspicions(cluster)).toEqual([[1], [], [1]]);
    // It was away itself: it suspects nobody for that.
    for (let i = 0; i < 20; i++) {
      run(cluster, 5);
      expect(suspicions(cluster)[1]).toEqual([]);
    }
    run(cluster, 500);
    expect(suspicions(cluster)).toEqual([[], [], []]);
  });

  test('when all slept, nobody suspects anybody, at no moment afterwards', () => {
    const cluster = make(4);
    for (const awayMs of [300, 700, 5_000, 3_600_000]) {
      cluster.nowMs += awayMs;
      for (let i = 0; i < 400; i++) {
        run(cluster, 5);
        expect(suspicions(cluster)).toEqual([[], [], [], []]);
      }
    }
  });

  test('a process that sleeps again and again, between any two turns, suspects nobody', () => {
    const cluster = make(4);
    for (let turn = 0; turn < 4_000; turn++) {
      cluster.nowMs += cluster.random() < 0.1 ? 5_000 : 5;
      cluster.poll(Math.floor(cluster.random() * 4));
      expect(suspicions(cluster)).toEqual([[], [], [], []]);
    }
  });

  test('a link cut both ways: its two ends suspect each other, the third suspects nobody; healed by itself', () => {
    const cluster = make();
    cutBetween(cluster, [0], [2], CUT);
    run(cluster, 1_000);
    expect(suspicions(cluster)).toEqual([[2], [], [0]]);
    cutBetween(cluster, [0], [2], undefined);
    run(cluster, 1_000);
    expect(suspicions(cluster)).toEqual([[], [], []]);
  });

  test('a link cut one way is given up by both ends: who is not heard learns of it from the other’s PINGs', () => {
    const cluster = make();
    cluster.faults!.set(0, 2, CUT);
    run(cluster, 1_500);
    expect(suspicions(cluster)).toEqual([[2], [], [0]]);
    run(cluster, 10_000);
    expect(suspicions(cluster)).toEqual([[2], [], [0]]);
    cluster.faults!.set(0, 2, undefined);
    run(cluster, 1_000);
    expect(suspicions(cluster)).toEqual([[], [], []]);
  });

  test('a link that loses a tenth of the frames, or takes 400 ms, is not given up', () => {
    const cluster = make();
    cutBetween(cluster, [0], [2], { ...CUT, cut: false, drop: 0.1 });
    for (let i = 0; i < 300; i++) {
      run(cluster, 100);
      expect(suspicions(cluster)).toEqual([[], [], []]);
    }
    cutBetween(cluster, [0], [2], { ...CUT, cut: false, delayMs: 200 });
    run(cluster, 3_000);
    for (let i = 0; i < 300; i++) {
      run(cluster, 100);
      expect(suspicions(cluster)).toEqual([[], [], []]);
    }
  });

  describe('long frames on their way', () => {
    /** Several MiB over a ring of 64 KiB, of which each turn moves no more than that. */
    function fill(cluster: Cluster, from: number, to: number): void {
      const outbox = cluster.endpoints[from]!.to(to);
      for (let i = 0; i < 2; i++) {
        outbox.begin(8 << 20);
        outbox.end();
      }
    }
    const busy = (cluster: Cluster, from: number): boolean => cluster.endpoints[from]!.blocked;

    test.each([
      [[[0, 1]]],
      [
        [
          [0, 1],
          [1, 0],
        ],
      ],
    ])('%j: answers wait behind them, and nobody is suspected', (ways) => {
      const cluster = make();
      // Nothing else comes back by chance.
      cluster.loses = (from, to, type) => from === 1 && to === 0 && type !== PONG;
      for (const [from, to] of ways) fill(cluster, from!, to!);
      for (let i = 0; i < 40; i++) {
        cluster.nowMs += 45;
        run(cluster, 5);
        expect(suspicions(cluster)).toEqual([[], [], []]);
      }
      expect(ways.every(([from]) => busy(cluster, from!))).toBe(true);
    });

    test('who takes nothing of them is suspected all the same, and so is who takes them and is not heard', () => {
      const cluster = make();
      fill(cluster, 0, 1);
      run(cluster, 1_000, [1]);
      expect(suspicions(cluster)).toEqual([[1], [], [1]]);
      const cut = make();
      cut.faults!.set(1, 0, CUT);
      fill(cut, 0, 1);
      run(cut, 3_500);
      expect(busy(cut, 0)).toBe(false);
      expect(suspicions(cut)[0]).toEqual([1]);
    });
  });

  test('a thread that is replaced begins without a past', () => {
    const cluster = make();
    cluster.stop(1);
    run(cluster, 3_000);
    expect(suspicions(cluster).map(({ length }) => length)).toEqual([0, 0, 0]);
    cluster.start(1);
    run(cluster, 3_000);
    expect(suspicions(cluster)).toEqual([[], [], []]);
  });

  test('puts go on with the owners that are not suspected (N=3, W=2)', () => {
    const cluster = make();
    const key = 'apple';
    const [first, second, third] = cluster.owners(key) as [number, number, number];
    cutBetween(cluster, [first], [third], CUT);
    run(cluster, 1_000);
    const outcomes: unknown[] = [];
    cluster.put(key, { to: first }, ({ outcome }) => outcomes.push(outcome));
    cutBetween(cluster, [first], [second], CUT);
    let turn = 0;
    cluster.settle((below) => turn++ % below);
    expect(outcomes).toHaveLength(1);
    run(cluster, 1_000);
    // Alone, it refuses before it executes.
    cluster.put(key, { to: first }, ({ outcome, got, need }) => outcomes.push([outcome, got, need]));
    run(cluster, 100);
    cluster.pollCaller();
    run(cluster, 100);
    cluster.pollCaller();
    expect(outcomes[1]).toEqual([2, 1, 2]);
  });
});

test('a conditional put counts each owner’s copy once, though its answer comes twice (N=3, R=3)', () => {
  const cluster = make();
  const key = 'apple';
  const [first, second, third] = cluster.owners(key) as [number, number, number];
  cluster.faults!.set(second, first, { ...CUT, cut: false, duplicate: 1 });
  cluster.faults!.set(third, first, CUT);
  const outcomes: unknown[] = [];
  cluster.put(key, { to: first, condition: 1, r: 3, timeoutMs: 300 }, ({ outcome }) =>
    outcomes.push(outcome),
  );
  let turn = 0;
  cluster.settle((below) => turn++ % below);
  expect([outcomes, cluster.clockAt(first, key)]).toEqual([[OUT_CONDITION_UNAVAILABLE], []]);
});

describe('gossip', () => {
  const agreed = (cluster: Cluster): boolean => new Set(cluster.digests).size === 1;

  test('all come to know the incarnation of each, and of one that started again', () => {
    const cluster = make(6);
    run(cluster, 10_000);
    expect(agreed(cluster)).toBe(true);
    const before = cluster.digests[0];
    cluster.stop(3);
    cluster.start(3);
    expect(agreed(cluster)).toBe(false);
    run(cluster, 10_000);
    expect(agreed(cluster)).toBe(true);
    expect(cluster.digests[0]).not.toBe(before);
  });

  test('one greeting is enough for both ends to know what either knew', () => {
    const cluster = new Cluster(2, 2);
    // The first greets at once, the other after a second.
    let starts = 0;
    cluster.random = () => (starts++ === 0 ? 0 : 0.99);
    expect(agreed(cluster)).toBe(false);
    run(cluster, 100);
    expect(agreed(cluster)).toBe(true);
  });

  test('a partition into two sides, with changes on both, heals without an operator (6 members)', () => {
    const cluster = make(6);
    run(cluster, 10_000);
    cutBetween(cluster, [0, 1, 2], [3, 4, 5], CUT);
    run(cluster, 2_000);
    for (const v of [1, 4]) {
      cluster.stop(v);
      run(cluster, 500);
      cluster.start(v);
    }
    run(cluster, 20_000);
    expect(suspicions(cluster)).toEqual([
      [3, 4, 5],
      [3, 4, 5],
      [3, 4, 5],
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ]);
    expect(new Set(cluster.digests.slice(0, 3)).size).toBe(1);
    expect(new Set(cluster.digests.slice(3)).size).toBe(1);
    expect(agreed(cluster)).toBe(false);
    cutBetween(cluster, [0, 1, 2], [3, 4, 5], undefined);
    run(cluster, 20_000);
    expect(agreed(cluster)).toBe(true);
    expect(suspicions(cluster)).toEqual([[], [], [], [], [], []]);
  });
});
