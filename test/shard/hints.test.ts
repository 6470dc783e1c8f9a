import fc from '../properties.js';
import { describe, expect, it } from 'vitest';
import {
  FLAG_HINT,
  IF_ABSENT,
  OK,
  OP_DELETE,
  OP_INCREMENT,
  OUT_QUORUM,
  OUT_STALE_RING,
  RECORD_AT,
  REPLICATE,
  writeHeader,
} from '../../src/messaging/frames.js';
import { descends, join, values } from '../../src/versions/dvvs.js';
import { paddedWords } from '../../src/base/memory.js';
import { lengthAt } from '../../src/storage/record.js';
import { hashOf, keyBytesOf } from '../storage/support.js';
import { seeded } from '../versions/model.js';
import { Cluster } from './cluster.js';
import { type PutOptions, type PutResult, textOf } from './cluster-caller.js';

const random = seeded(3);

/** Everybody has a turn. */
function turn(cluster: Cluster, ms = 2): void {
  cluster.nowMs += ms;
  cluster.pollCaller();
  cluster.vnodes.forEach((_, v) => cluster.poll(v));
  cluster.pollCaller();
}

function ask(cluster: Cluster, name: string, options: PutOptions): PutResult {
  const answers: PutResult[] = [];
  expect(cluster.put(name, options, (result) => answers.push(result))).toBe(true);
  for (let i = 0; i < 400 && answers.length === 0; i++) turn(cluster);
  return answers[0]!;
}

const hints = (cluster: Cluster): number => cluster.vnodes.reduce((sum, _, v) => sum + cluster.hintsAt(v), 0);

/** Until nothing waits any more. */
function drain(cluster: Cluster): void {
  for (let i = 0; hints(cluster) > 0; i++) {
    expect(i, 'hints that do not drain').toBeLessThan(4_000);
    turn(cluster, 5);
  }
}

function textsAt(cluster: Cluster, v: number, name: string): string[] {
  return values(cluster.clockAt(v, name))
    .filter(({ deleted }) => !deleted)
    .map(textOf)
    .sort();
}

describe('a put while owners do not serve (4 nodes, N=3)', () => {
  it('W = N is met by a fallback, which keeps the copy until its owner has it and then forgets it', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, c, d] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(b);
    expect(ask(cluster, 'key', { value: 'v', w: 3 })).toMatchObject({ outcome: OK, got: 3 });
    expect([a, c, d].map((v) => textsAt(cluster, v, 'key'))).toEqual([['v'], ['v'], ['v']]);
    expect(cluster.hintsAt(d)).toBe(1);
    expect([...cluster.hinted[b]!]).toEqual([d]);
    for (let i = 0; i < 100; i++) turn(cluster);
    expect(cluster.hintsAt(d)).toBe(1);
    cluster.start(b);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['v']);
    expect(cluster.clockAt(d, 'key')).toEqual([]);
    expect(cluster.hinted.map((holders) => holders.size)).toEqual([0, 0, 0, 0]);
  });

  it('many puts to one key are one hint, and the owner gets the newest', () => {
    const cluster = new Cluster(4, 3);
    const [, b, , d] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(b);
    for (let i = 0; i < 20; i++) {
      const context = join(cluster.clockAt(d, 'key'));
      expect(ask(cluster, 'key', { value: `${i}`, context, w: 3 }).outcome).toBe(OK);
    }
    expect(hints(cluster)).toBe(1);
    cluster.start(b);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['19']);
  });

  it('a copy that changes while it is on its way is not let go: the new one follows', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, , d] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(b);
    expect(ask(cluster, 'key', { value: 'old', w: 3 }).outcome).toBe(OK);
    cluster.start(b);
    // The copy is sent, and before the owner takes it another put makes the fallback's newer.
    cluster.nowMs += 30;
    cluster.poll(d);
    const serving = cluster.isServing;
    cluster.isServing = (v) => v !== b && serving(v);
    cluster.put(
      'key',
      { value: 'new', context: join(cluster.clockAt(a, 'key')), w: 3, to: a },
      () => undefined,
    );
    cluster.pollCaller();
    cluster.poll(a);
    cluster.poll(d);
    expect(textsAt(cluster, d, 'key')).toEqual(['new']);
    cluster.isServing = serving;
    cluster.poll(b);
    expect(textsAt(cluster, b, 'key')).toEqual(['old']);
    cluster.poll(d);
    expect(cluster.hintsAt(d)).toBe(1);
    expect(textsAt(cluster, d, 'key')).toEqual(['new']);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['new']);
  });

  it('a strict or conditional put counts owners only, and still leaves a hint for the one that is down', () => {
    const cluster = new Cluster(4, 3);
    const [a, b] = cluster.preference('key') as [number, number];
    cluster.stop(b);
    expect(ask(cluster, 'key', { value: 'v', w: 3, strict: true })).toMatchObject({
      outcome: OUT_QUORUM,
      got: 2,
      need: 3,
      vector: [],
    });
    expect(hints(cluster)).toBe(0);
    expect(ask(cluster, 'key', { value: 'v', w: 2, strict: true }).outcome).toBe(OK);
    const once = ['o1', 'o2', 'o3', 'o4'].find((name) => {
      const owners = cluster.owners(name);
      return owners.includes(b) && owners[0] !== b;
    })!;
    const conditional = { value: 'v', w: 2, condition: IF_ABSENT, to: cluster.owners(once)[0]! };
    expect(ask(cluster, once, conditional).outcome).toBe(OK);
    expect(cluster.hintsAt(conditional.to)).toBeGreaterThan(0);
    expect(cluster.hintsAt(a)).toBeGreaterThan(0);
    cluster.start(b);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['v']);
    expect(textsAt(cluster, b, once)).toEqual(['v']);
  });

  it('an owner that dies with a copy on its way is replaced before the deadline, and W = N is still met', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, , d] = cluster.preference('key') as [number, number, number, number];
    const answers: PutResult[] = [];
    cluster.put('key', { value: 'v', w: 3, to: a, timeoutMs: 500 }, (result) => answers.push(result));
    cluster.pollCaller();
    cluster.poll(a);
    cluster.stop(b);
    for (let i = 0; i < 60 && answers.length === 0; i++) turn(cluster);
    expect(answers[0]).toMatchObject({ outcome: OK, got: 3 });
    expect(textsAt(cluster, d, 'key')).toEqual(['v']);
    cluster.nowMs += 1_000;
    cluster.start(b);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['v']);
  });

  it('an owner that never answers is owed a hint after the deadline (3 nodes: no fallback)', () => {
    const cluster = new Cluster(3, 3);
    const [a, b, c] = cluster.preference('key') as [number, number, number];
    const answers: PutResult[] = [];
    cluster.put('key', { value: 'v', w: 2, to: a, timeoutMs: 100 }, (result) => answers.push(result));
    for (let i = 0; i < 100; i++) {
      cluster.nowMs += 2;
      cluster.pollCaller();
      cluster.poll(a);
      cluster.poll(c);
    }
    expect(answers[0]).toMatchObject({ outcome: OK });
    expect(cluster.clockAt(b, 'key')).toEqual([]);
    expect(cluster.hintsAt(a)).toBe(1);
    drain(cluster);
    expect(textsAt(cluster, b, 'key')).toEqual(['v']);
    // The coordinator is an owner: it keeps its copy.
    expect(textsAt(cluster, a, 'key')).toEqual(['v']);
  });

  it('a fallback does not coordinate while an owner serves, nor strictly', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, c, d] = cluster.preference('key') as [number, number, number, number];
    expect(ask(cluster, 'key', { value: 'v', w: 1, to: d }).outcome).toBe(OUT_STALE_RING);
    for (const v of [a, b, c]) cluster.stop(v);
    expect(ask(cluster, 'key', { value: 'v', w: 1, to: d, strict: true }).outcome).toBe(OUT_STALE_RING);
    expect(ask(cluster, 'key', { value: 'v', w: 2, to: d })).toMatchObject({ outcome: OUT_QUORUM, got: 1 });
    expect(ask(cluster, 'key', { value: 'v', w: 1, to: d }).outcome).toBe(OK);
    // One copy, three owners to give it to.
    expect(cluster.hintsAt(d)).toBe(3);
    cluster.start(b);
    for (let i = 0; i < 100; i++) turn(cluster);
    expect(cluster.hintsAt(d)).toBe(2);
    expect(textsAt(cluster, d, 'key')).toEqual(['v']);
    cluster.start(a);
    cluster.start(c);
    drain(cluster);
    expect(cluster.clockAt(d, 'key')).toEqual([]);
    for (const v of [a, b, c]) expect(textsAt(cluster, v, 'key')).toEqual(['v']);
  });
});

describe('dots of a fallback that forgets (versions.md, trap 3; 3 nodes, N=1)', () => {
  it('a second blind put after the first was handed over is a sibling of it, not swallowed', () => {
    const cluster = new Cluster(3, 1);
    const [owner, fallback] = cluster.preference('key') as [number, number];
    const vectors: unknown[] = [];
    for (const value of ['first', 'second', 'third']) {
      cluster.stop(owner);
      const result = ask(cluster, 'key', { value, w: 1, r: 1 });
      expect(result.outcome).toBe(OK);
      vectors.push(result.vector);
      cluster.start(owner);
      drain(cluster);
      expect(cluster.clockAt(fallback, 'key')).toEqual([]);
    }
    expect(new Set(vectors.map((vector) => JSON.stringify(vector))).size).toBe(3);
    expect(textsAt(cluster, owner, 'key')).toEqual(['first', 'second', 'third']);
  });

  it('increments before and after a handing over add up, and a delete of what was handed over holds', () => {
    const cluster = new Cluster(3, 1);
    const [owner] = cluster.preference('c') as [number];
    for (let round = 0; round < 4; round++) {
      cluster.stop(owner);
      for (let i = 0; i < 3; i++)
        expect(ask(cluster, 'c', { operation: OP_INCREMENT, by: 2, w: 1, r: 1 }).outcome).toBe(OK);
      cluster.start(owner);
      drain(cluster);
    }
    const sum = values(cluster.clockAt(owner, 'c')).reduce((total, one) => total + Number(textOf(one)), 0);
    expect(sum).toBe(24);
    const [other] = cluster.preference('key') as [number];
    expect(ask(cluster, 'key', { value: 'v', w: 1, r: 1 }).outcome).toBe(OK);
    const context = join(cluster.clockAt(other, 'key'));
    cluster.stop(other);
    expect(ask(cluster, 'key', { operation: OP_DELETE, context, w: 1, r: 1 }).outcome).toBe(OK);
    cluster.start(other);
    drain(cluster);
    expect(textsAt(cluster, other, 'key')).toEqual([]);
  });

  it('keys that it owns keep one entry for it, however often it lets copies go', () => {
    const cluster = new Cluster(3, 1);
    const own = ['a', 'b', 'c', 'd', 'e'].find(
      (name) => cluster.preference(name)[0] !== cluster.preference('key')[0],
    )!;
    const [owner] = cluster.preference('key') as [number];
    for (let round = 0; round < 5; round++) {
      cluster.stop(owner);
      expect(ask(cluster, 'key', { value: `${round}`, w: 1, r: 1 }).outcome).toBe(OK);
      cluster.start(owner);
      drain(cluster);
      expect(ask(cluster, own, { value: `${round}`, rule: 1, w: 1, r: 1 }).outcome).toBe(OK);
    }
    expect(cluster.clockAt(cluster.preference(own)[0]!, own)).toHaveLength(1);
  });
});

describe('a hint in a frame', () => {
  it('for an unknown owner, or for the receiver itself, harms nobody', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, , d] = cluster.preference('key') as [number, number, number, number];
    for (const owner of [d, 200]) {
      cluster.put('key', { value: 'v', w: 1, to: a }, () => undefined);
      cluster.pollCaller();
      cluster.poll(a);
      const outbox = cluster.endpoints[a]!.to(d);
      const { buffer } = cluster.vnodes[a]!.pipeline;
      const key = keyBytesOf('key');
      const record = buffer.find(hashOf('key'), 1, paddedWords(key), key.length) >>> 2;
      const length = lengthAt(buffer.words, record);
      const at = outbox.begin(RECORD_AT * 4 + length);
      writeHeader(outbox.words, at, REPLICATE, FLAG_HINT, 9_999, cluster.ring.epoch, cluster.nowMs + 100);
      outbox.words[at + 6] = (owner << 16) | (3 << 24);
      outbox.words[at + 7] = 1;
      outbox.words.set(buffer.words.subarray(record, record + length / 4), at + RECORD_AT);
      outbox.end();
      cluster.endpoints[a]!.flush();
      cluster.poll(d);
      expect(cluster.hintsAt(d)).toBe(0);
    }
    cluster.settle(random);
    expect(textsAt(cluster, b, 'key')).toHaveLength(2);
  });
});

interface Step {
  readonly kind: 'put' | 'blind' | 'increment' | 'stop' | 'start' | 'wait';
  readonly i: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind'][]>(
      'put',
      'put',
      'blind',
      'blind',
      'increment',
      'stop',
      'start',
      'wait',
      'wait',
    ),
    i: fc.nat(1_000),
  }),
  { minLength: 20, maxLength: 120 },
);

interface Put {
  readonly name: string;
  readonly text: string;
  readonly seen: readonly string[];
  readonly to: number;
  readonly endMs: number;
  acknowledged: boolean;
}

const TIMEOUT_MS = 120;

/** Runs a schedule; afterwards all serve, and nothing waits any more. */
function play(cluster: Cluster, schedule: readonly Step[], w: number): { puts: Put[]; exempt: Set<string> } {
  const { length } = cluster.vnodes;
  const puts: Put[] = [];
  /** Keys of which a coordinator knew something that it has forgotten: who lacks a copy is left to repair. */
  const exempt = new Set<string>();
  const up = (): number[] => cluster.vnodes.map((_, v) => v).filter((v) => cluster.isServing(v));
  const put = (kind: Step['kind'], i: number): void => {
    const name = kind === 'increment' ? `c${i % 2}` : `k${i % 5}`;
    const to = cluster.preference(name).find((v) => cluster.isServing(v));
    if (to === undefined) return;
    const clock = kind === 'put' ? cluster.clockAt(to, name) : [];
    const one: Put = {
      name,
      text: `#${puts.length}`,
      seen: values(clock).map(textOf),
      to,
      endMs: cluster.nowMs + TIMEOUT_MS + 200,
      acknowledged: false,
    };
    puts.push(one);
    const operation = kind === 'increment' ? { operation: OP_INCREMENT, by: 1 } : { value: one.text };
    const options = { ...operation, context: join(clock), w, timeoutMs: TIMEOUT_MS };
    cluster.put(name, options, ({ outcome, vector }) => {
      one.acknowledged = outcome === OK;
      if (outcome !== OK) return;
      const list = cluster.preference(name);
      expect(list.filter((v) => descends(cluster.clockAt(v, name), vector)).length).toBeGreaterThanOrEqual(w);
    });
  };
  for (const { kind, i } of schedule) {
    const v = i % length;
    if (kind === 'stop') {
      if (cluster.isServing(v) && up().length > 1) {
        for (const one of puts) if (one.to === v && one.endMs > cluster.nowMs) exempt.add(one.name);
        cluster.stop(v);
      }
    } else if (kind === 'start') {
      if (!cluster.isServing(v)) cluster.start(v);
    } else if (kind === 'wait') {
      for (let turns = i % 40; turns > 0; turns--) turn(cluster, 1 + (i % 7));
    } else put(kind, i);
    for (let polls = i % 5; polls > 0; polls--) {
      cluster.nowMs += 1;
      cluster.pollCaller();
      cluster.poll((i + polls) % length);
    }
  }
  for (let v = 0; v < length; v++) if (!cluster.isServing(v)) cluster.start(v);
  cluster.settle(random);
  drain(cluster);
  return { puts, exempt };
}

describe.each([
  { count: 4, n: 3, w: 3 },
  { count: 5, n: 3, w: 2 },
  { count: 3, n: 3, w: 2 },
  { count: 4, n: 1, w: 1 },
])('$count nodes that stop and start at random (N=$n, W=$w)', ({ count, n, w }) => {
  it('after all are back: no hint is left, owners are equal, others have nothing, nothing acknowledged is lost', () => {
    let equal = 0;
    fc.assert(
      fc.property(steps, (schedule) => {
        const cluster = new Cluster(count, n);
        const { puts, exempt } = play(cluster, schedule, w);
        for (const name of new Set(puts.map((one) => one.name))) {
          const [first, ...others] = cluster.owners(name) as [number, ...number[]];
          const clock = plain(cluster, first, name);
          if (!exempt.has(name)) {
            equal++;
            for (const v of others) expect(plain(cluster, v, name), name).toEqual(clock);
            for (const v of cluster.preference(name).slice(n))
              expect(plain(cluster, v, name), name).toEqual([]);
          }
          const mine = puts.filter((one) => one.name === name);
          if (name.startsWith('c')) {
            if (exempt.has(name)) continue;
            const sum = values(cluster.clockAt(first, name)).reduce(
              (total, one) => total + Number(textOf(one)),
              0,
            );
            expect(sum).toBeGreaterThanOrEqual(mine.filter((one) => one.acknowledged).length);
            expect(sum).toBeLessThanOrEqual(mine.length);
            continue;
          }
          const final = new Set(cluster.preference(name).flatMap((v) => textsAt(cluster, v, name)));
          const superseded = new Set(mine.flatMap((one) => one.seen));
          for (const one of mine) {
            if (one.acknowledged && !superseded.has(one.text)) expect(final, name).toContain(one.text);
            if (one.acknowledged && !exempt.has(name))
              for (const seen of one.seen) expect(final, `${name} ${one.text}`).not.toContain(seen);
          }
        }
      }),
      { numRuns: process.env['RINGLET_LONG'] === undefined ? 60 : 1_000 },
    );
    expect(equal).toBeGreaterThan(100);
  }, 300_000);
});

function plain(cluster: Cluster, v: number, name: string): unknown {
  return cluster
    .clockAt(v, name)
    .map(({ actor, n, values: list }) => [actor, n, list.map((one) => [textOf(one), one.deleted, one.time])]);
}
