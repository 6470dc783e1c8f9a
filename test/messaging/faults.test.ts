import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { FaultTable, type LinkFault } from '../../src/messaging/fault-table.js';
import { FaultyEndpoint } from '../../src/messaging/faults.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { range, receiveAll, sendNumbered } from './numbered-frames.js';
import { sharedPair } from './pairs.js';

const HEALTHY: LinkFault = { cut: false, drop: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };

/** Two parties whose links can be broken, in virtual time and with chance from a list of numbers. */
class Link {
  nowMs = 1_000;
  chance: () => number = () => 0.5;
  readonly table = new FaultTable(FaultTable.allocate(2), 2);
  readonly ends: readonly FaultyEndpoint[];

  constructor() {
    const shared = sharedPair(1 << 16);
    const world = { table: this.table, nowMs: () => this.nowMs, random: () => this.chance() };
    this.ends = [0, 1].map((party) => new FaultyEndpoint(new RingEndpoint(shared, party), world));
  }

  send(from: 0 | 1, numbers: readonly number[], bytes = 64): void {
    for (const number of numbers) sendNumbered(this.ends[from]!, 1 - from, number, bytes);
  }

  /** What the other end receives by now. */
  arrived(from: 0 | 1): number[] {
    this.ends[from]!.flush();
    return receiveAll(this.ends[1 - from]!);
  }
}

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a link with an injected fault', () => {
  test('cut one way: nothing passes that way, everything the other way, and healed it passes again', () => {
    const link = new Link();
    link.table.set(0, 1, { ...HEALTHY, cut: true });
    link.send(0, range(0, 50));
    link.send(1, range(0, 50));
    expect([link.arrived(0), link.arrived(1)]).toEqual([[], range(0, 50)]);
    link.table.set(0, 1, undefined);
    link.send(0, [50]);
    expect(link.arrived(0)).toEqual([50]);
  });

  test('delayed: frames come after the delay, in order, and those under way too when it is healed', () => {
    const link = new Link();
    link.chance = seeded(1);
    link.table.set(0, 1, { ...HEALTHY, delayMs: 100, jitterMs: 50 });
    link.send(0, range(0, 20));
    link.nowMs += 99;
    expect(link.arrived(0)).toEqual([]);
    expect(link.ends[0]!.blocked).toBe(true);
    expect(link.ends[0]!.to(1).waitingBytes).toBe(20 * 64);
    expect(link.ends[0]!.nextMs).toBeGreaterThan(link.nowMs);
    link.table.set(0, 1, undefined);
    link.send(0, range(20, 25));
    link.nowMs += 51;
    expect(link.arrived(0)).toEqual(range(0, 25));
    expect([link.ends[0]!.blocked, link.ends[0]!.to(1).waitingBytes]).toEqual([false, 0]);
  });

  test('a frame under way is lost when the link is cut before it is due', () => {
    const link = new Link();
    link.table.set(0, 1, { ...HEALTHY, delayMs: 10 });
    link.send(0, [1]);
    link.table.set(0, 1, { ...HEALTHY, cut: true });
    link.nowMs += 20;
    expect(link.arrived(0)).toEqual([]);
    expect(link.ends[0]!.nextMs).toBe(Number.POSITIVE_INFINITY);
  });

  test('a long frame arrives whole over a slow link', () => {
    const link = new Link();
    link.table.set(0, 1, { ...HEALTHY, delayMs: 5 });
    link.send(0, [1], 200_000);
    link.send(0, [2]);
    link.nowMs += 5;
    const arrived: number[] = [];
    for (let i = 0; i < 50; i++) arrived.push(...link.arrived(0));
    expect(arrived).toEqual([1, 2]);
  });

  test('what it holds is bounded: beyond that it loses frames', () => {
    const link = new Link();
    link.table.set(0, 1, { ...HEALTHY, delayMs: 10 });
    link.send(0, range(0, LIMITS.heldFrames + 100), 16);
    expect(link.ends[0]!.to(1).waitingBytes).toBe(LIMITS.heldFrames * 16);
  });

  test('drops, duplicates and overtakes about as often as asked, and invents nothing (any probabilities)', () => {
    const probability = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(probability, probability, probability, fc.nat(), (drop, duplicate, reorder, seed) => {
        const link = new Link();
        link.chance = seeded(seed);
        link.table.set(0, 1, { ...HEALTHY, drop, duplicate, reorder });
        const arrived: number[] = [];
        for (let i = 0; i < 1_000; i++) {
          link.send(0, [i], 16);
          link.nowMs += 1;
          arrived.push(...link.arrived(0));
        }
        link.nowMs += 1_000;
        arrived.push(...link.arrived(0));
        const distinct = new Set(arrived);
        const overtaken = arrived.filter((number, i) => i > 0 && number < arrived[i - 1]!).length;
        expect(Math.abs(1_000 - distinct.size - 1_000 * drop)).toBeLessThan(80);
        expect(Math.abs(arrived.length - distinct.size - distinct.size * duplicate)).toBeLessThan(80);
        if (reorder === 0 && duplicate === 0) expect(overtaken).toBe(0);
        if (reorder > 0.2 && reorder < 0.8 && drop < 0.5) expect(overtaken).toBeGreaterThan(20);
        expect(link.ends[0]!.nextMs).toBe(Number.POSITIVE_INFINITY);
      }),
      { numRuns: 60 },
    );
  });

  test('callers are one side, and a fault is seen from both ends of the link', () => {
    const table = new FaultTable(FaultTable.allocate(3), 3);
    expect([0, 2, 3, 4, 90].map((party) => table.sideOf(party))).toEqual([0, 2, 3, 3, 3]);
    table.set(0, 2, undefined);
    table.set(1, 3, { ...HEALTHY, drop: 0.25, delayMs: 1.5 });
    expect(table.read(1, 3)).toEqual({ ...HEALTHY, drop: 0.25, delayMs: 1.5 });
    expect(table.read(3, 1)).toBeUndefined();
    expect([table.touches(1, 3), table.touches(3, 1), table.touches(0, 3)]).toEqual([true, true, false]);
    table.set(1, 3, { ...HEALTHY, cut: true });
    table.set(1, 3, undefined);
    table.set(1, 3, undefined);
    expect([table.touches(1, 3), table.read(1, 3)]).toEqual([false, undefined]);
  });
});
