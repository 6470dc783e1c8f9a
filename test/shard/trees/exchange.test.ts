import fc from '../../properties.js';
import { describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/hash.js';
import { LIMITS } from '../../../src/base/limits.js';
import {
  frameType,
  OK,
  OP_DELETE,
  OUT_NO_TREES,
  OUT_STALE_RING,
  OUT_TOO_LARGE,
  TREE_COMPARE,
  TREE_DIFFER,
  TREE_FETCH,
  TREE_KEYS,
  TREE_LIST,
  TREE_PUSH,
  TREE_PUSHED,
  TREE_RECORDS,
  writeHeader,
} from '../../../src/messaging/frames.js';
import {
  COUNT_EXCHANGE_BYTES,
  COUNT_EXCHANGES_FAILED,
  COUNT_TREE_KEYS,
  GAUGE_IN_SYNC_AT,
  GAUGE_TREES,
} from '../../../src/shard/environment.js';
import { MOVING } from '../../../src/ring/ring.js';
import { nodeOf } from '../../../src/shard/trees/nodes.js';
import { TREES_USABLE } from '../../../src/shard/trees/anti-entropy.js';
import { type BufferShape, LOG_SEGMENT } from '../../../src/storage/buffer-layout.js';
import type { StoredValue } from '../../../src/storage/record-codec.js';
import { keyAt, KIND_COUNTER, kindAt } from '../../../src/storage/record.js';
import { type Clock, join, values } from '../../../src/versions/dvvs.js';
import { paddedWords } from '../../../src/base/memory.js';
import { keyBytesOf, value } from '../../storage/support.js';
import { seeded } from '../../versions/model.js';
import { BUFFER, Cluster } from '../cluster.js';
import { textOf } from '../cluster-caller.js';

const LONG = process.env['RINGLET_LONG'] !== undefined;
const RUNS = LONG ? 600 : 28;
const MANY = LONG ? 1_000_000 : 200_000;
/** Room for so many. */
const SEGMENTS = LONG ? 40 : 8;
const VAST: BufferShape = {
  bytes: SEGMENTS * (4 << 20),
  segmentBytes: 4 << 20,
  segments: SEGMENTS,
  maxTableBits: 21,
};
/** Convergence in virtual time: every virtual node exchanges once in LIMITS.exchangeMs, with each of two peers. */
const CONVERGED_MS = 6_000;
const ROOMY: BufferShape = { bytes: 32 * 65_536, segmentBytes: 65_536, segments: 32, maxTableBits: 15 };

const LONG_KEYS: BufferShape = { bytes: 96 * 131_072, segmentBytes: 131_072, segments: 96, maxTableBits: 15 };

function spread(name: string): number {
  let hash = 3;
  for (const char of name) hash = mix(hash ^ char.charCodeAt(0));
  return hash;
}

function cluster(count = 3, n = 3, shape = ROOMY): Cluster {
  return new Cluster(count, n, shape, spread);
}

/** What a virtual node holds of a key: everything that replicas must agree on. */
function held(world: Cluster, v: number, name: string): string {
  const { buffer } = world.vnodes[v]!.pipeline;
  const key = keyBytesOf(name);
  const byte = buffer.find(world.hash(name), 1, paddedWords(key), key.length);
  const clock = world
    .clockAt(v, name)
    .map(({ actor, n, values: live }) => [actor, n, live.map((one) => [textOf(one), one.deleted, one.time])]);
  return byte === 0 ? 'nothing' : JSON.stringify([kindAt(buffer.words, byte >>> 2), clock]);
}

function unequal(world: Cluster, names: Iterable<string>): string[] {
  return [...names].filter((name) => new Set(world.owners(name).map((v) => held(world, v, name))).size > 1);
}

function sum(world: Cluster, counter: number): number {
  return world.vnodes.reduce((total, { counts }) => total + (counts[counter] ?? 0), 0);
}

function one(text: string, n = 1, actor = 1): Clock<StoredValue> {
  return [{ actor, n, values: [value(text, { time: n * 1024 })] }];
}

describe('replicas become equal without a read', () => {
  it('a virtual node that was down while keys were written with W=2', () => {
    const world = cluster();
    const names = Array.from({ length: 400 }, (_, i) => `k${i}`);
    world.stop(2);
    let done = 0;
    for (const name of names) {
      world.put(name, { value: name, w: 2 }, ({ outcome }) => {
        expect(outcome).toBe(OK);
        done++;
      });
    }
    world.advance(1_000);
    expect(done).toBe(names.length);
    world.start(2);
    world.advance(CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
    expect(names.map((name) => values(world.clockAt(2, name)).map(textOf))).toEqual(
      names.map((name) => [name]),
    );
  });

  it('one that lost everything', () => {
    const world = cluster();
    const names = Array.from({ length: 3_000 }, (_, i) => `k${i}`);
    for (const name of names) for (let v = 0; v < 3; v++) world.tell(v, world.record(name, one(name)));
    world.stop(1);
    world.lose(1);
    world.start(1, true);
    world.advance(2 * CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
    expect(held(world, 1, 'k0')).not.toBe('nothing');
  });

  it('records that only one of them has ever heard of, in any of them', () => {
    const world = cluster(5, 3);
    const names = Array.from({ length: 300 }, (_, i) => `k${i}`);
    names.forEach((name, i) => world.tell(world.owners(name)[i % 3]!, world.record(name, one(name))));
    world.advance(2 * CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
  });

  it('a tombstone reaches the one that missed the delete, and the value does not come back', () => {
    const world = cluster();
    const names = Array.from({ length: 50 }, (_, i) => `k${i}`);
    for (const name of names) world.put(name, { value: 'v', w: 3 }, () => undefined);
    world.advance(500);
    world.stop(0);
    for (const name of names) {
      world.put(
        name,
        { operation: OP_DELETE, context: join(world.clockAt(1, name)), to: 1 },
        () => undefined,
      );
    }
    world.advance(500);
    world.start(0);
    world.advance(CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
    for (const name of names) {
      for (let v = 0; v < 3; v++)
        expect(values(world.clockAt(v, name)).map(({ deleted }) => deleted)).toEqual([true]);
    }
  });

  it('a key whose clocks are equal and whose kinds are not', () => {
    const world = cluster();
    world.tell(0, world.record('k', one('5')));
    world.tell(1, world.record('k', one('5'), KIND_COUNTER));
    world.advance(CONVERGED_MS);
    expect(unequal(world, ['k'])).toEqual([]);
  });

  it('keys that all have one hash', () => {
    const world = new Cluster(3, 3, ROOMY, () => 5);
    const names = Array.from({ length: 200 }, (_, i) => `k${i}`);
    names.forEach((name, i) => world.tell(i % 3, world.record(name, one(name))));
    world.advance(CONVERGED_MS);
    for (const name of names) {
      const clocks = [0, 1, 2].map((v) => world.clockAt(v, name).length);
      expect(clocks).toEqual([1, 1, 1]);
    }
  });

  it('more keys than one exchange lists', () => {
    const world = cluster(2, 2, {
      bytes: 64 * 131_072,
      segmentBytes: 131_072,
      segments: 64,
      maxTableBits: 17,
    });
    const names = Array.from({ length: 20_000 }, (_, i) => `k${i}`);
    for (const name of names) world.tell(0, world.record(name, one('')));
    world.advance(30_000);
    expect(unequal(world, names)).toEqual([]);
  }, 600_000);

  it('one that joins, though one partition has more keys than an exchange lists', () => {
    const join = (world: Cluster): Cluster => {
      world.join('n9');
      return world;
    };
    const made = (partition: number): Cluster =>
      // 7 · 7 = 1 modulo 16. Their names are so long that an exchange lists about a thousand.
      new Cluster(
        3,
        2,
        LONG_KEYS,
        (name) => (spread(name.slice(-6)) & ~15) | ((partition * 7) % 16),
        false,
        1,
      );
    const partition = join(made(0)).ring.moves!.state.findIndex((state) => state === MOVING);
    const world = made(partition);
    const names = Array.from({ length: 3_000 }, (_, i) => `k${i}`.padStart(1_000, '.'));
    expect(world.partitionOf(names[0]!)).toBe(partition);
    for (const name of names) for (const v of world.owners(name)) world.tell(v, world.record(name, one('')));
    join(world);
    for (let i = 0; i < 600 && world.ring.moves !== undefined; i++) {
      world.advance(50);
      world.publish();
      // What is in order with one of them says nothing of another.
      for (let v = 0; v < 3; v++) world.vnodes[3]!.node!['repair'].hurry(v);
    }
    expect(world.ring.moves).toBeUndefined();
    expect(names.filter((name) => held(world, 3, name) === 'nothing')).toEqual([]);
  }, 600_000);

  it('others, while one of them cannot compare', () => {
    const world = cluster();
    world.advance(CONVERGED_MS);
    Object.defineProperty(world.vnodes[1]!.pipeline, 'engineFailed', { get: () => true });
    world.advance(CONVERGED_MS);
    world.tell(0, world.record('k', one('v')));
    world.advance(CONVERGED_MS);
    expect(held(world, 2, 'k')).toBe(held(world, 0, 'k'));
  });

  it('all others, where the versions of one key together are more than a record may have', () => {
    const world = cluster(2, 2);
    const names = Array.from({ length: 100 }, (_, i) => `k${i}`);
    names.forEach((name, i) => world.tell(i % 2, world.record(name, one(name))));
    for (const v of [0, 1]) world.tell(v, world.record('large', one('x'.repeat(40_000), 1, 1 + v)));
    world.advance(2 * CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
    // Each keeps its own, and nobody takes the exchange for one that brought everything.
    expect(unequal(world, ['large'])).toEqual(['large']);
    expect(sum(world, COUNT_EXCHANGES_FAILED)).toBeGreaterThan(0);
    // A get merges what they have, and a put with its context takes the place of all of it.
    const context = [0, 1].flatMap((v) => join(world.clockAt(v, 'large')));
    const outcomes: unknown[] = [];
    world.put('large', { value: 'one', context }, ({ outcome }) => outcomes.push(outcome));
    world.advance(CONVERGED_MS);
    expect(outcomes).toEqual([OK]);
    expect(unequal(world, ['large'])).toEqual([]);
    expect(values(world.clockAt(0, 'large')).map(textOf)).toEqual(['one']);
  });

  it('siblings of the two sides of a partition, which together are more than a put may leave', () => {
    const world = cluster(2, 2);
    world.maxRecordBytes = 40_000;
    for (const v of [0, 1]) world.start(v);
    for (const v of [0, 1]) world.tell(v, world.record('key', one('x'.repeat(30_000), 1, 1 + v)));
    world.advance(CONVERGED_MS);
    expect(unequal(world, ['key'])).toEqual([]);
    expect(values(world.clockAt(0, 'key'))).toHaveLength(2);
    const outcomes: unknown[] = [];
    world.put('key', { value: 'another' }, ({ outcome }) => outcomes.push(outcome));
    world.advance(CONVERGED_MS);
    expect(outcomes).toEqual([OUT_TOO_LARGE]);
  });

  it('in any divergence: random dots, siblings, tombstones, counters, each known to a random owner', () => {
    // The value of a dot follows from the dot, as it does in a real store.
    const entry = fc.record({ actor: fc.integer({ min: 1, max: 3 }), n: fc.nat(3), live: fc.nat(3) });
    const tale = fc.record({
      key: fc.nat(6),
      owner: fc.nat(2),
      counter: fc.boolean(),
      entries: fc.uniqueArray(entry, { selector: ({ actor }) => actor, maxLength: 3, minLength: 1 }),
    });
    const shape = fc.constantFrom([3, 3] as const, [4, 2] as const, [5, 3] as const);
    fc.assert(
      fc.property(
        shape,
        fc.array(tale, { maxLength: 25 }),
        fc.constantFrom(0, 1),
        ([count, n], tales, rule) => {
          const world = cluster(count, n, BUFFER);
          world.rule = rule;
          const names = new Set<string>();
          for (const { key, owner, counter, entries } of tales) {
            const name = `${counter ? 'c' : 'k'}${key}`;
            const clock = entries
              .filter((item) => item.n > 0)
              .toSorted((a, b) => a.actor - b.actor)
              .map((item) => ({
                actor: item.actor,
                n: item.n,
                values: Array.from({ length: counter ? 1 : Math.min(item.live, item.n) }, (_, i) =>
                  // Later dots have later times, as under a hybrid clock.
                  value(String(item.actor * 10 + item.n - i), {
                    time: (item.n - i) * 64 + item.actor,
                    deleted: !counter && (item.n - i) % 3 === 2,
                  }),
                ),
              }));
            if (clock.length === 0) continue;
            names.add(name);
            world.tell(world.owners(name)[owner % n]!, world.record(name, clock, counter ? KIND_COUNTER : 0));
          }
          world.advance(2 * CONVERGED_MS);
          expect(unequal(world, names)).toEqual([]);
          for (const { counts } of world.vnodes) {
            expect(counts[GAUGE_TREES]).toBe(TREES_USABLE);
            expect(counts[GAUGE_IN_SYNC_AT]).toBeGreaterThan(1_000);
          }
        },
      ),
      { numRuns: RUNS },
    );
  }, 600_000);
});

describe('an exchange', () => {
  it(`of one differing key in ${MANY} costs at most 100 KB`, () => {
    const world = new Cluster(2, 2, VAST, spread);
    world.stop(0);
    world.stop(1);
    const { buffer } = world.vnodes[0]!.pipeline;
    for (let i = 0; i < MANY; i++) {
      const record = world.record(`k${i}`, [{ actor: 1, n: 1, values: [] }]);
      if (!buffer.hasRoom(LOG_SEGMENT, record.byteLength)) {
        buffer.seal(LOG_SEGMENT);
        buffer.open(LOG_SEGMENT);
      }
      buffer.append(LOG_SEGMENT, record, 0, record.subarray(keyAt(record, 0)));
      buffer.growIndex();
      if (i % 100 === 0) buffer.reclaim();
    }
    new Uint8Array(world.vnodes[1]!.memory).set(new Uint8Array(world.vnodes[0]!.memory));
    world.start(0);
    world.start(1);
    world.advance(15_000);
    expect(world.vnodes.map(({ counts }) => counts[GAUGE_TREES])).toEqual([TREES_USABLE, TREES_USABLE]);
    world.tell(0, world.record('k77777', one('new', 2)));
    const before = sum(world, COUNT_EXCHANGE_BYTES);
    let bytes = 0;
    while (held(world, 1, 'k77777') !== held(world, 0, 'k77777')) {
      world.advance(100);
      bytes = sum(world, COUNT_EXCHANGE_BYTES) - before;
      expect(bytes).toBeLessThan(100_000);
    }
    console.log(`one key in ${MANY}: ${bytes} bytes of exchange`);
    expect(bytes).toBeGreaterThan(0);
    // Both sides may have sent the key, and nothing else was sent.
    expect(sum(world, COUNT_TREE_KEYS)).toBeLessThanOrEqual(3);
  }, 600_000);

  it('repairs both sides, also when only one of them ever asks', () => {
    const world = cluster(2, 2);
    const names = Array.from({ length: 90 }, (_, i) => `k${i}`);
    names.forEach((name, i) => {
      if (i % 3 < 2) world.tell(0, world.record(name, one(name, 1 + (i % 2))));
      if (i % 3 > 0) world.tell(1, world.record(name, one(name, 2 - (i % 2))));
    });
    world.loses = (from, _to, type) => from === 1 && type === TREE_COMPARE;
    world.advance(CONVERGED_MS);
    expect(unequal(world, names)).toEqual([]);
    expect(names.filter((name) => held(world, 0, name) === 'nothing')).toEqual([]);
    // Both records of a key that differs may have to travel, and each of the others once.
    expect(sum(world, COUNT_TREE_KEYS)).toBeLessThanOrEqual(30 + 30 + 2 * 30);
  });

  it('of equal replicas sends nothing but roots', () => {
    const world = cluster();
    for (let i = 0; i < 200; i++) for (let v = 0; v < 3; v++) world.tell(v, world.record(`k${i}`, one('v')));
    world.advance(3_000);
    const before = sum(world, COUNT_EXCHANGE_BYTES);
    world.advance(10_000);
    // 16 roots of 12 bytes, the headers, and the answer.
    expect(sum(world, COUNT_EXCHANGE_BYTES) - before).toBeLessThan(3 * 20 * 300);
    expect(sum(world, COUNT_TREE_KEYS)).toBe(0);
  });

  it('ends harmlessly when frames are lost, threads die at any store, and peers hang; all is equal afterwards', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seeded(seed);
        const world = cluster();
        const names = Array.from({ length: 150 }, (_, i) => `k${i}`);
        for (const name of names) world.tell(random(3), world.record(name, one(name)));
        const rate = 2 + random(8);
        world.loses = () => random(rate) === 0;
        for (let turn = 0; turn < 400; turn++) {
          world.nowMs += random(40);
          for (let v = 0; v < 3; v++) {
            if (world.vnodes[v]!.node === undefined) {
              if (random(10) === 0) world.start(v);
            } else if (random(10) > 0) {
              world.poll(v, random(60) === 0 ? random(80) : Infinity);
            }
          }
          if (random(4) === 0) {
            const name = names[random(names.length)]!;
            const v = random(3);
            if (world.vnodes[v]!.node !== undefined)
              world.tell(v, world.record(name, one(name, 2 + random(9))));
          }
        }
        world.loses = () => false;
        for (let v = 0; v < 3; v++) if (world.vnodes[v]!.node === undefined) world.start(v);
        world.advance(LIMITS.exchangeSilenceMs + CONVERGED_MS);
        expect(unequal(world, names)).toEqual([]);
      }),
      { numRuns: RUNS / 2 },
    );
  }, 600_000);

  it('ends by the silence of its peer, and is counted as failed', () => {
    const world = cluster();
    world.tell(0, world.record('k', one('v')));
    world.loses = (from, to) => from < 3 && to < 3;
    world.advance(LIMITS.exchangeSilenceMs * 3);
    expect(sum(world, COUNT_EXCHANGES_FAILED)).toBeGreaterThan(2);
    expect(world.vnodes.map(({ counts }) => counts[GAUGE_IN_SYNC_AT])).toEqual([0, 0, 0]);
  });
});

/** Sends a frame as virtual node 1, which does not run, to virtual node 0, and returns the answers. */
function ask(world: Cluster, type: number, rest: readonly number[], epoch = world.ring.epoch): number[][] {
  const peer = world.endpoints[1]!;
  const outbox = peer.to(0);
  const at = outbox.begin((6 + rest.length) * 4);
  writeHeader(outbox.words, at, type, 0, 77, epoch, world.nowMs + 1_000);
  outbox.words.set(rest, at + 6);
  outbox.end();
  peer.flush();
  world.poll(0);
  const answers: number[][] = [];
  peer.drain(100, (from, words, _bytes, start) => {
    if (from === 0) answers.push(Array.from(words.subarray(start, start + (words[start]! >>> 2))));
  });
  return answers;
}

describe('a virtual node that is asked', () => {
  it.each([
    [TREE_COMPARE, [0, 0], TREE_DIFFER],
    [TREE_LIST, [0, 0], TREE_KEYS],
    [TREE_FETCH, [1, 0, 0, 0], TREE_RECORDS],
    [TREE_PUSH, [0, 0, 0, 0], TREE_PUSHED],
  ])('refuses a question (type %i) of another ring epoch', (type, rest, answer) => {
    const world = cluster();
    world.advance(2_000);
    world.stop(1);
    const answers = ask(world, type, rest, world.ring.epoch ^ 1);
    const reply = answers.find((words) => (words[1]! & 0xff) === answer)!;
    expect(reply[6]).toBe(OUT_STALE_RING);
  });

  it('says so while its trees are being rebuilt', () => {
    const world = cluster();
    world.stop(0);
    world.stop(1);
    world.start(0);
    const [reply] = ask(world, TREE_COMPARE, [0, 0]);
    expect([reply![1]! & 0xff, reply![6]]).toEqual([TREE_DIFFER, OUT_NO_TREES]);
  });

  it('is not harmed by any intact frame, whatever stands in it', () => {
    const words = fc.array(
      fc.oneof(
        fc.nat(3),
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        fc.nat(4_095).map((index) => nodeOf(3, index % 16, index % 4, index)),
      ),
      { maxLength: 24 },
    );
    const types = fc.integer({ min: TREE_COMPARE, max: TREE_PUSHED });
    fc.assert(
      fc.property(fc.array(fc.tuple(types, words), { maxLength: 30 }), (frames) => {
        const world = cluster(3, 3, BUFFER);
        world.tell(0, world.record('k', one('v')));
        world.advance(1_500);
        const before = held(world, 0, 'k');
        world.stop(1);
        for (const [type, rest] of frames) {
          for (const answer of ask(world, type, rest))
            expect(frameType(Int32Array.from(answer), 0)).toBeLessThan(38);
        }
        world.advance(200);
        expect(held(world, 0, 'k')).toBe(before);
      }),
      { numRuns: 3 * RUNS },
    );
  }, 600_000);
});
