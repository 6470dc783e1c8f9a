import { describe, expect, it, vi } from 'vitest';
import {
  GET_REPLY,
  HANDOFF,
  IF_ABSENT,
  OK,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  RANGE_ANSWER,
  RANGE_COMPARE,
  REPLICATE,
  TREE_COMPARE,
  TREE_PUSHED,
  TREE_RECORDS,
} from '../../src/messaging/frames.js';
import { memberCount, otherOwners } from '../../src/ring/live-ring.js';
import { HANDED, MOVING } from '../../src/ring/ring.js';
import { Hints } from '../../src/shard/hints.js';
import { values } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { Cluster } from './cluster.js';
import { textOf } from './cluster-caller.js';

const LONG = process.env['RINGLET_LONG'] === '1';
const KEYS = 48;

/** A cluster whose clients write all the time, and what was acknowledged to them. */
class Serving extends Cluster {
  readonly acknowledged = new Map<string, string[]>();
  private made = 0;
  readonly chances = seeded(11);

  constructor(nodes: number, n: number) {
    super(nodes, n, undefined, (name) => Math.imul(Number(name.slice(1)) + 1, 0x9e3779b1), false, 3);
  }

  request(): void {
    const name = `k${this.chances(KEYS)}`;
    const value = `${name}:${this.made++}`;
    const w = Math.floor(this.n / 2) + 1;
    this.put(name, { value, w }, ({ outcome }) => {
      if (outcome === OK) this.acknowledged.set(name, [...(this.acknowledged.get(name) ?? []), value]);
    });
  }

  /** Everybody has a turn, in random order; facts become durable and known now and then. */
  round(load = true): void {
    this.nowMs += 5;
    if (load) this.request();
    this.pollCaller();
    for (let i = 0; i < this.vnodes.length; i++) this.poll(this.chances(this.vnodes.length));
    if (this.chances(4) === 0) this.publish();
  }

  until(what: string, holds: () => boolean, load = true, rounds = 6_000): void {
    for (let i = 0; !holds(); i++) {
      if (i > rounds)
        throw new Error(`not within ${rounds} rounds: ${what}; ${JSON.stringify(this.state.change)}`);
      this.round(load);
    }
  }

  get isOver(): boolean {
    return this.state.change === undefined && this.table1 === this.state.revision;
  }
  private get table1(): number {
    return this.ring.revision;
  }

  /** What a read of these virtual nodes sees. */
  read(vnodes: readonly number[], name: string): string[] {
    return vnodes.flatMap((v) => values(this.clockAt(v, name)).map(textOf));
  }

  /** Every value that was acknowledged is at W of the owners: no client passed a context, so none is superseded. */
  check(): void {
    for (const [name, written] of this.acknowledged) {
      const owners = this.owners(name);
      for (const value of written) {
        const holders = owners.filter((v) => this.read([v], name).includes(value));
        expect(holders.length, `${value} at ${owners.join(', ')}`).toBe(this.n);
      }
    }
  }

  /** Nobody else has a copy any more. */
  checkOldCopies(): void {
    for (const name of this.acknowledged.keys()) {
      const owners = this.owners(name);
      this.vnodes.forEach(({ node }, v) => {
        if (node !== undefined && !owners.includes(v))
          expect(this.read([v], name), `${name} at ${v}`).toEqual([]);
      });
    }
  }

  /** Without load, until replicas are equal. */
  rest(): void {
    for (let i = 0; i < 1_600; i++) this.round(false);
  }
}

/** Few values per key: siblings are capped. */
function warm(cluster: Serving, rounds: number): void {
  for (let i = 0; i < rounds; i++) cluster.round();
}

describe('a ring change', () => {
  it.each([1, 2, 3])(
    'hands everything over to a joiner while clients write, and old copies go (N=%i)',
    (n) => {
      const cluster = new Serving(4, n);
      warm(cluster, 150);
      cluster.join('n9');
      cluster.until('it has joined', () => cluster.isOver);
      expect(memberCount(cluster.ring)).toBe(5);
      cluster.rest();
      cluster.check();
      cluster.checkOldCopies();
    },
  );

  it('a leaver gives everything away, its hints too, and has no part in any list afterwards', () => {
    const cluster = new Serving(5, 3);
    warm(cluster, 100);
    // Hints for an owner that is away, held by the one who leaves too.
    cluster.stop(3);
    warm(cluster, 40);
    cluster.leave('n1');
    warm(cluster, 40);
    expect(cluster.isOver).toBe(false);
    cluster.start(3);
    cluster.until('it has left', () => cluster.isOver);
    expect(cluster.hintsAt(1)).toBe(0);
    cluster.stop(1);
    cluster.lose(1);
    expect([...cluster.ring.preference]).not.toContain(1);
    cluster.rest();
    cluster.check();
  });

  it('a partition that is handed over is served by W of its new owners with everything that was acknowledged', () => {
    const cluster = new Serving(4, 3);
    warm(cluster, 100);
    cluster.join('n9');
    cluster.until('one is handed over', () => cluster.ring.moves?.state.includes(HANDED) === true);
    const { moves } = cluster.ring;
    const p = moves!.state.indexOf(HANDED);
    const moved = [...cluster.acknowledged.keys()].filter((name) => cluster.partitionOf(name) === p);
    for (const name of moved) {
      const seen = cluster.read([4], name);
      for (const value of cluster.acknowledged.get(name)!) {
        // Whatever is still on its way has W others.
        const holders = cluster.owners(name).filter((v) => cluster.read([v], name).includes(value));
        expect(seen.includes(value) || holders.length >= 2).toBe(true);
      }
    }
  });

  it('nothing is handed over while somebody works with the old ring, or while hints wait for who goes', () => {
    const cluster = new Serving(4, 3);
    warm(cluster, 60);
    const { vnodes } = cluster;
    const asleep = vnodes[2]!.node;
    cluster.join('n9');
    // Its thread stands still: it has not announced that it writes to both.
    vnodes[2]!.node = { poll: () => 0, hintsWaiting: 0 } as unknown as typeof asleep;
    for (let i = 0; i < 400; i++) cluster.round(false);
    expect(cluster.state.change!.handed.every((at) => at === 0)).toBe(true);
    vnodes[2]!.node = asleep;
    for (let v = 0; v < 4; v++) cluster.hinted[v]!.add(0);
    for (let i = 0; i < 400; i++) cluster.round(false);
    expect(cluster.state.change!.handed.every((at) => at === 0)).toBe(true);
    for (let v = 0; v < 4; v++) cluster.hinted[v]!.delete(0);
    cluster.until('it has joined', () => cluster.isOver);
  });

  it('a put to a partition that moves is acknowledged when W of both lists have it; a joiner that is down refuses nobody (N=1)', () => {
    const cluster = new Serving(3, 1);
    warm(cluster, 60);
    // No record moves: the partitions stay on their way.
    cluster.loses = (_from, _to, type) =>
      type === RANGE_COMPARE || type === RANGE_ANSWER || type === TREE_RECORDS;
    cluster.join('n9');
    for (let i = 0; i < 20; i++) cluster.round(false);
    const moving = Array.from({ length: KEYS }, (_, i) => `k${i}`).filter(
      (name) => cluster.ring.moves!.state[cluster.partitionOf(name)] === MOVING,
    );
    expect(moving.length).toBeGreaterThan(3);
    for (const name of moving) {
      let done = false;
      cluster.put(name, { value: 'both', w: 1 }, ({ outcome }) => {
        expect(outcome).toBe(OK);
        done = true;
        const p = cluster.partitionOf(name);
        for (const v of [cluster.owners(name)[0]!, ...otherOwners(cluster.ring, p, 1)])
          expect(cluster.read([v], name), `at ${v}`).toContain('both');
      });
      cluster.until('it is acknowledged', () => done, false);
    }
    cluster.stop(3);
    let acknowledged = 0;
    for (const name of moving)
      cluster.put(name, { value: 'one', w: 1 }, ({ outcome }) => (acknowledged += +(outcome === OK)));
    cluster.until('all are acknowledged', () => acknowledged === moving.length, false);
    cluster.loses = () => false;
    cluster.start(3);
    cluster.until('it has joined', () => cluster.isOver, false);
    cluster.rest();
    for (const name of moving) expect(cluster.read(cluster.owners(name), name)).toContain('one');
  });

  it('a put that was on its way when the change began counts anew, for both lists', () => {
    const cluster = new Serving(3, 1);
    warm(cluster, 30);
    const before = cluster.acknowledged.size;
    for (let i = 0; i < 8; i++) cluster.request();
    cluster.pollCaller();
    cluster.join('n9');
    cluster.until('it has joined', () => cluster.isOver, false);
    cluster.rest();
    expect(cluster.acknowledged.size).toBeGreaterThan(before);
    cluster.check();
  });
});

it('a put that is on its way through two changes is not acknowledged by who was an owner in the first', () => {
  const cluster = new Serving(3, 3);
  // Of partition 6 the owners are 0, 1, 2, then 0, 1, 3, then 0, 2, 3.
  const name = Array.from({ length: 999 }, (_, i) => `k${i}`).find((k) => cluster.partitionOf(k) === 6)!;
  cluster.loses = (_from, _to, type) =>
    type === REPLICATE || type === HANDOFF || (type > TREE_COMPARE && type <= TREE_PUSHED);
  cluster.join('n9');
  for (let i = 0; i < 4; i++) cluster.round(false);
  const outcomes: unknown[] = [];
  cluster.put(name, { value: 'v', w: 2, to: 0, timeoutMs: 60_000 }, ({ outcome }) => outcomes.push(outcome));
  for (let i = 0; i < 4; i++) cluster.round(false);
  cluster.until('it has joined', () => cluster.isOver, false);
  cluster.leave('n1');
  cluster.until('it has left', () => cluster.isOver, false);
  expect([outcomes, cluster.owners(name)]).toEqual([[], [0, 2, 3]]);
  for (let i = 0; i < 2_400; i++) cluster.round(false);
  expect([0, 1, 2, 3].filter((v) => cluster.read([v], name).length > 0)).toEqual([0]);
  expect(outcomes).not.toContain(OK);
});

it('who comes and cannot be reached counts only if a hint for it is kept (N=1)', () => {
  const cluster = new Serving(3, 1);
  cluster.loses = (_from, _to, type) => type === RANGE_COMPARE;
  cluster.join('n9');
  for (let i = 0; i < 20; i++) cluster.round(false);
  const moving = Array.from({ length: KEYS }, (_, i) => `k${i}`).filter(
    (name) => cluster.ring.moves!.state[cluster.partitionOf(name)] === MOVING,
  );
  cluster.stop(3);
  const take = vi.spyOn(Hints.prototype, 'take').mockReturnValue('full');
  const outcomes: unknown[] = [];
  cluster.put(moving[0]!, { value: 'v', w: 1 }, ({ outcome }) => outcomes.push(outcome));
  for (let i = 0; i < 20; i++) cluster.round(false);
  take.mockRestore();
  expect(outcomes).toEqual([OUT_OVERLOADED]);
  expect(cluster.read([0, 1, 2], moving[0]!)).toEqual([]);
});

it('who waits for owners when these change asks those of today, or leaves it to them', () => {
  const cluster = new Serving(4, 3);
  const names = Array.from({ length: KEYS }, (_, i) => `k${i}`);
  for (const name of names) cluster.put(name, { value: name, w: 3 }, () => undefined);
  for (let i = 0; i < 60; i++) cluster.round(false);
  const before = new Map(names.map((name) => [name, cluster.owners(name)]));
  cluster.loses = (_from, to, type) => type === GET_REPLY && to < 4;
  const outcomes = new Map<string, unknown>();
  const texts = new Map<string, string[]>();
  for (const name of names) {
    const put = { value: 'x', condition: IF_ABSENT, to: before.get(name)![0]!, timeoutMs: 60_000 };
    cluster.put(name, put, ({ outcome }) => outcomes.set(name, outcome));
    cluster.serveGet(3, name, 3, (_outcome, found) => texts.set(name, found));
  }
  for (let i = 0; i < 20; i++) cluster.round(false);
  expect([outcomes.size, texts.size]).toEqual([0, 0]);
  cluster.join('n9');
  cluster.until('it has joined', () => cluster.isOver, false);
  const moved = names.filter((name) => cluster.owners(name).join() !== before.get(name)!.join());
  expect([...outcomes.keys()].sort()).toEqual(moved.sort());
  for (const name of moved) expect(outcomes.get(name)).toBe(OUT_STALE_RING);
  expect(texts.size).toBe(0);
  cluster.loses = () => false;
  cluster.join('n8');
  cluster.until('it has joined', () => cluster.isOver, false);
  const again = names.filter((name) => cluster.owners(name).includes(5));
  expect(again.length).toBeGreaterThan(0);
  for (const name of again) expect(texts.get(name)).toEqual([name]);
});

it('a condition that was claimed and waits for room is not decided by who is the first owner no more (N=1)', () => {
  const cluster = new Serving(3, 1);
  cluster.join('n9');
  const name = Array.from({ length: KEYS }, (_, i) => `k${i}`).find(
    (k) => cluster.ring.moves!.state[cluster.partitionOf(k)] === MOVING,
  )!;
  const [first] = cluster.owners(name) as [number];
  const room = vi.spyOn(cluster.vnodes[first]!.pipeline, 'room').mockReturnValue('wait');
  const outcomes: unknown[] = [];
  const ask = (value: string): void => {
    const put = { value, condition: IF_ABSENT, r: 1, w: 1, to: cluster.owners(name)[0]!, timeoutMs: 60_000 };
    cluster.put(name, put, ({ outcome }) => outcomes.push(outcome));
  };
  ask('one');
  for (const turn of [cluster.pollCaller, cluster.poll, cluster.pollCaller]) turn.call(cluster, first);
  expect(room).toHaveBeenCalled();
  expect(outcomes).toEqual([]);
  cluster.until('it is handed over', () => cluster.owners(name)[0] !== first, false);
  ask('other');
  for (let i = 0; i < 20; i++) cluster.round(false);
  room.mockRestore();
  cluster.until('both are answered', () => outcomes.length === 2, false);
  expect(new Set(outcomes)).toEqual(new Set([OK, OUT_FULL]));
});

describe('a fallback that was about to own what it coordinated', () => {
  it('forgets those dots with the copies that go, and makes no such dot again (N=1)', () => {
    const cluster = new Serving(3, 1);
    const write = (name: string, value: string): void => {
      let outcome: unknown;
      cluster.put(name, { value, w: 1 }, (result) => (outcome = result.outcome));
      cluster.until(`${value} is acknowledged`, () => outcome !== undefined, false);
      expect(outcome).toBe(OK);
    };
    const handedOver = (): boolean => cluster.vnodes.every((_, v) => cluster.hintsAt(v) === 0);
    const owner = 0;
    const names = Array.from({ length: KEYS }, (_, i) => `k${i}`).filter(
      (k) => cluster.owners(k)[0] === owner,
    );
    cluster.stop(owner);
    for (const name of names) write(name, 'before');
    cluster.loses = (_from, _to, type) => type === RANGE_COMPARE;
    cluster.leave('n0');
    cluster.start(owner);
    cluster.until('the owner has them', handedOver, false);
    cluster.rollBack();
    cluster.until('it is taken back', () => cluster.isOver, false);
    cluster.stop(owner);
    for (const name of names) write(name, 'after');
    cluster.start(owner);
    cluster.until('the owner has these too', handedOver, false);
    for (const name of names) expect(cluster.read([owner], name).sort()).toEqual(['after', 'before']);
  });
});

describe('a thread that dies during a ring change', () => {
  /** Each at many moments, also between two stores; the change goes on and nothing is lost. */
  const moments = Array.from({ length: LONG ? 80 : 10 }, (_, i) => 1 + i * (LONG ? 7 : 55));
  for (const [side, victim] of [
    ['the one who comes', 4],
    ['one of those who go', 0],
  ] as const) {
    it(`${side}, at ${moments.length} moments of a join and a leave (N=3)`, () => {
      for (const moment of moments) {
        const cluster = new Serving(4, 3);
        warm(cluster, 60);
        cluster.join('n9');
        for (let i = 0; i < moment && !cluster.isOver; i++) cluster.round();
        cluster.nowMs += 5;
        cluster.poll(victim, cluster.chances(30));
        cluster.stop(victim);
        for (let i = 0; i < 30; i++) cluster.round();
        cluster.start(victim);
        cluster.until(`it has joined, with a death at ${moment}`, () => cluster.isOver);
        cluster.leave('n2');
        for (let i = 0; i < moment && !cluster.isOver; i++) cluster.round(false);
        cluster.stop(victim);
        for (let i = 0; i < 30; i++) cluster.round(false);
        cluster.start(victim);
        cluster.until(`it has left, with a death at ${moment}`, () => cluster.isOver, false);
        cluster.stop(2);
        cluster.lose(2);
        cluster.rest();
        cluster.check();
      }
    });
  }
});
