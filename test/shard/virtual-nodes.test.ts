import { describe, expect, it } from 'vitest';
import { IF_ABSENT, OK, OP_DELETE, OP_INCREMENT, OP_PUT } from '../../src/messaging/frames.js';
import { Replica } from '../../src/shard/replica.js';
import { bucketAt, HINT_BUCKET, lengthAt } from '../../src/storage/record.js';
import { descends, join, values } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { Cluster } from './cluster.js';
import { textOf } from './cluster-caller.js';

const RUNS = Number(process.env['RINGLET_RUNS'] ?? (process.env['RINGLET_LONG'] === undefined ? 45 : 600));

interface Attempt {
  readonly name: string;
  readonly text: string;
  readonly seen: readonly string[];
  readonly operation: number;
  readonly by: number;
  outcome: 'open' | 'acknowledged' | 'refused' | 'maybe';
}

function name(kind: number, i: number): string {
  return `${['plain', 'counter', 'once'][kind]}-${i}`;
}

/** All replicas tell each other everything: what anti-entropy will do. */
function exchange(cluster: Cluster): void {
  const replicas = cluster.vnodes.map(
    ({ pipeline }) => new Replica(pipeline, () => 0, cluster.shape.segmentBytes - 64),
  );
  for (let round = 0; round < 2; round++) {
    cluster.vnodes.forEach(({ pipeline: { buffer } }, from) => {
      const places: number[] = [];
      buffer.index.visit(0, Number.POSITIVE_INFINITY, (byte) => places.push(byte >>> 2));
      for (const at of places) {
        if (bucketAt(buffer.words, at) === HINT_BUCKET) continue;
        const copy = buffer.words.slice(at, at + (lengthAt(buffer.words, at) >>> 2));
        const record = new Uint8Array(copy.buffer);
        replicas.forEach((replica, to) => {
          if (to !== from) expect(replica.apply(copy, record, 0, 0)).toHaveProperty('sequence');
        });
      }
    });
  }
}

function run(seed: number, count: number, n: number): { cluster: Cluster; attempts: Attempt[] } {
  const random = seeded(seed);
  const cluster = new Cluster(count, n);
  const attempts: Attempt[] = [];
  const w = 1 + random(n);
  const attempt = (): void => {
    const kind = random(4) === 0 ? 1 : random(8) === 0 ? 2 : 0;
    const key = name(kind, random(kind === 2 ? 30 : 6));
    const reader = random(count);
    const clock = random(2) === 0 && kind === 0 ? cluster.clockAt(reader, key) : [];
    const operation = kind === 1 ? OP_INCREMENT : kind === 0 && random(8) === 0 ? OP_DELETE : OP_PUT;
    const entry: Attempt = {
      name: key,
      text: `#${attempts.length}`,
      seen: values(clock)
        .filter(({ deleted }) => !deleted)
        .map(textOf),
      operation,
      by: operation === OP_INCREMENT ? 1 + random(5) : 0,
      outcome: 'open',
    };
    attempts.push(entry);
    const options = {
      value: operation === OP_PUT ? entry.text : '',
      operation,
      context: join(clock),
      condition: kind === 2 ? IF_ABSENT : 0,
      w,
      r: n - w + 1,
      by: entry.by,
      ...(kind === 2 ? { to: cluster.owners(key)[0]! } : {}),
    };
    const sent = cluster.put(key, options, ({ outcome, vector }) => {
      if (entry.outcome !== 'open') throw new Error('answered twice');
      if (outcome === OK) entry.outcome = 'acknowledged';
      if (outcome === OK) {
        const list = kind === 2 ? cluster.owners(key) : cluster.preference(key);
        const holders = list.filter((v) => descends(cluster.clockAt(v, key), vector)).length;
        expect(holders, `seed ${seed}: acknowledged by fewer than W=${w}`).toBeGreaterThanOrEqual(w);
      } else entry.outcome = outcome === 'lost' || vector.length > 0 ? 'maybe' : 'refused';
    });
    if (!sent) entry.outcome = 'refused';
  };
  for (let step = 0; step < 400; step++) {
    cluster.nowMs += random(6);
    for (let puts = random(3); puts > 0; puts--) attempt();
    if (random(3) === 0) cluster.pollCaller();
    for (let polls = random(2 * count); polls > 0; polls--) {
      cluster.poll(random(count), random(40) === 0 ? random(60) : Number.POSITIVE_INFINITY);
    }
    const v = random(count);
    if (cluster.vnodes[v]!.node === undefined) {
      if (random(6) === 0) cluster.start(v);
    } else if (random(150) === 0) {
      cluster.stop(v);
    }
  }
  for (let v = 0; v < count; v++) if (cluster.vnodes[v]!.node === undefined) cluster.start(v);
  cluster.settle(random);
  return { cluster, attempts };
}

describe.each([
  { count: 3, n: 3 },
  { count: 5, n: 3 },
  { count: 4, n: 2 },
])('$count virtual nodes that stop and restart at any store (N=$n, random R and W)', ({ count, n }) => {
  const histories = Array.from({ length: RUNS / 3 }, (_, seed) => ({
    seed,
    ...run(seed * 7 + count, count, n),
  }));

  it('nothing acknowledged is lost, nothing superseded returns, nothing is executed twice', () => {
    let acknowledged = 0;
    for (const { seed, cluster, attempts } of histories) {
      exchange(cluster);
      for (const key of new Set(attempts.map((one) => one.name))) {
        if (key.startsWith('counter')) continue;
        const final = values(cluster.clockAt(cluster.owners(key)[0]!, key))
          .filter((one) => !one.deleted)
          .map(textOf);
        expect(new Set(final).size, `seed ${seed} ${key}: a put has two dots`).toBe(final.length);
        const mine = attempts.filter((one) => one.name === key);
        // A later put supersedes what it has seen, if it was executed at all.
        const superseded = new Set(
          mine.filter((one) => one.outcome !== 'refused').flatMap((one) => one.seen),
        );
        for (const one of mine) {
          if (one.outcome === 'acknowledged') {
            acknowledged++;
            if (one.operation === OP_PUT && !final.includes(one.text) && !superseded.has(one.text)) {
              expect.fail(`seed ${seed}: ${key} ${one.text} was acknowledged and is gone`);
            }
            const back = one.seen.filter((text) => final.includes(text));
            expect(back, `seed ${seed} ${key}: superseded by ${one.text}, yet there`).toEqual([]);
          }
          if (one.outcome === 'refused') expect(final, `seed ${seed} ${key} refused`).not.toContain(one.text);
        }
      }
    }
    expect(acknowledged).toBeGreaterThan(RUNS * 10);
  });

  it('replicas are equal after a full exchange', () => {
    for (const { seed, cluster, attempts } of histories) {
      exchange(cluster);
      for (const key of new Set(attempts.map((one) => one.name))) {
        const clocks = cluster.vnodes.map((_, v) => JSON.stringify(plain(cluster.clockAt(v, key))));
        expect(new Set(clocks).size, `seed ${seed} ${key}`).toBe(1);
      }
    }
  });

  it('a counter lies between what was acknowledged and what was attempted', () => {
    for (const { seed, cluster, attempts } of histories) {
      exchange(cluster);
      for (const key of new Set(attempts.map((one) => one.name).filter((one) => one.startsWith('counter')))) {
        const total = values(cluster.clockAt(0, key)).reduce((sum, one) => sum + Number(textOf(one)), 0);
        const of = (outcomes: readonly string[]): number =>
          attempts
            .filter((one) => one.name === key && outcomes.includes(one.outcome))
            .reduce((sum, one) => sum + one.by, 0);
        expect(total, `seed ${seed} ${key}`).toBeGreaterThanOrEqual(of(['acknowledged']));
        expect(total, `seed ${seed} ${key}`).toBeLessThanOrEqual(of(['acknowledged', 'maybe']));
      }
    }
  });

  it('of many puts with ifAbsent to one key at most one is executed (R + W > N)', () => {
    let executed = 0;
    for (const { seed, cluster, attempts } of histories) {
      exchange(cluster);
      for (const key of new Set(attempts.map((one) => one.name).filter((one) => one.startsWith('once')))) {
        const found = values(cluster.clockAt(0, key)).length;
        executed += found;
        expect(found, `seed ${seed} ${key}`).toBeLessThanOrEqual(1);
        const good = attempts.filter((one) => one.name === key && one.outcome === 'acknowledged').length;
        expect(good, `seed ${seed} ${key}`).toBeLessThanOrEqual(1);
      }
    }
    expect(executed).toBeGreaterThan(RUNS);
  });
});

function plain(clock: ReturnType<Cluster['clockAt']>): unknown {
  return clock.map(({ actor, n, values: list }) => [
    actor,
    n,
    list.map((one) => [textOf(one), one.deleted, one.time]),
  ]);
}
