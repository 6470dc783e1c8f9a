import { describe, expect, it } from 'vitest';
import {
  IF_ABSENT,
  IF_PRESENT,
  OP_DELETE,
  OP_INCREMENT,
  OP_TOUCH,
  OUT_CONDITION,
  OUT_COUNTER,
  OK,
} from '../../src/messaging/frames.js';
import { COUNT_EXPIRED, COUNT_REAPED, COUNT_TREE_KEYS } from '../../src/shard/environment.js';
import { LIMITS } from '../../src/base/limits.js';
import { DueList } from '../../src/shard/expiry/due-list.js';
import { join, values } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { Cluster } from './cluster.js';
import { type PutOptions, type PutResult, textOf } from './cluster-caller.js';

function ask(cluster: Cluster, name: string, options: PutOptions): PutResult {
  const answers: PutResult[] = [];
  expect(cluster.put(name, options, (result) => answers.push(result))).toBe(true);
  for (let i = 0; i < 200 && answers.length === 0; i++) cluster.advance(5);
  return answers[0]!;
}

/** Puts a value that lives for so long. */
function put(
  cluster: Cluster,
  name: string,
  value: string,
  ttlMs: number,
  options: PutOptions = {},
): PutResult {
  return ask(cluster, name, { value, by: ttlMs === 0 ? 0 : cluster.nowMs + ttlMs, w: 3, ...options });
}

function textsAt(cluster: Cluster, v: number, name: string): string[] {
  return values(cluster.clockAt(v, name)).map((value) => (value.deleted ? 'deleted' : textOf(value)));
}
const everywhere = (cluster: Cluster, name: string): string[][] =>
  cluster.owners(name).map((v) => textsAt(cluster, v, name));
const counted = (cluster: Cluster, counter: number): number =>
  cluster.vnodes.reduce((sum, { counts }) => sum + (counts[counter] ?? 0), 0);
const contextOf = (cluster: Cluster, name: string) => join(cluster.clockAt(cluster.owners(name)[0]!, name));

describe('values that expire (4 nodes, N=3)', () => {
  it('become tombstones with the same clock at every owner, of which trees see nothing, and are reaped', () => {
    const cluster = new Cluster(4, 3);
    put(cluster, 'key', 'v', 2_000);
    put(cluster, 'stays', 'v', 0);
    cluster.advance(1_500);
    expect(everywhere(cluster, 'key')).toEqual([['v'], ['v'], ['v']]);
    const vector = contextOf(cluster, 'key');
    cluster.advance(2_500);
    expect(everywhere(cluster, 'key')).toEqual([['deleted'], ['deleted'], ['deleted']]);
    expect(contextOf(cluster, 'key')).toEqual(vector);
    expect(counted(cluster, COUNT_EXPIRED)).toBe(3);
    expect(counted(cluster, COUNT_TREE_KEYS)).toBe(0);
    cluster.advance(24_000);
    expect(everywhere(cluster, 'key')).toEqual([[], [], []]);
    expect(counted(cluster, COUNT_REAPED)).toBe(3);
    expect(everywhere(cluster, 'stays')).toEqual([['v'], ['v'], ['v']]);
  });

  it('an owner that was down meanwhile does not bring one back', () => {
    const cluster = new Cluster(4, 3);
    put(cluster, 'key', 'v', 1_000);
    const [, b] = cluster.owners('key') as [number, number];
    cluster.stop(b);
    cluster.advance(10_000);
    cluster.start(b);
    cluster.advance(3_000);
    // What it finds stored it lists at its start.
    expect(everywhere(cluster, 'key')).toEqual([['deleted'], ['deleted'], ['deleted']]);
  });

  it('a put without an end, and one with a later end, live on', () => {
    const cluster = new Cluster(4, 3);
    put(cluster, 'for ever', 'a', 1_000);
    put(cluster, 'for ever', 'b', 0, { context: contextOf(cluster, 'for ever') });
    for (let i = 0; i < 5; i++)
      put(cluster, 'later', `${i}`, 4_000, { context: contextOf(cluster, 'later') });
    cluster.advance(3_000);
    expect(everywhere(cluster, 'later')[0]).toEqual(['4']);
    put(cluster, 'sooner', 'a', 60_000);
    put(cluster, 'sooner', 'b', 500, { context: contextOf(cluster, 'sooner') });
    cluster.advance(6_000);
    expect(everywhere(cluster, 'for ever')[0]).toEqual(['b']);
    expect(everywhere(cluster, 'later')[0]).toEqual(['deleted']);
    expect(everywhere(cluster, 'sooner')[0]).toEqual(['deleted']);
  });

  it('of siblings each has its own end', () => {
    const cluster = new Cluster(4, 3);
    const [a] = cluster.owners('key') as [number];
    put(cluster, 'key', 'short', 1_000, { to: a });
    put(cluster, 'key', 'long', 20_000, { to: a });
    put(cluster, 'key', 'for ever', 0, { to: a });
    cluster.advance(5_000);
    expect(textsAt(cluster, a, 'key')).toEqual(['for ever', 'long', 'deleted']);
    cluster.advance(20_000);
    expect(textsAt(cluster, a, 'key')).toEqual(['for ever', 'deleted', 'deleted']);
  });
});

describe('touch', () => {
  const touch = (cluster: Cluster, name: string, ttlMs: number): PutResult =>
    put(cluster, name, '', ttlMs, { operation: OP_TOUCH, condition: IF_PRESENT });

  it('gives all live values another end under new versions, with their age', () => {
    const cluster = new Cluster(4, 3);
    const [a] = cluster.owners('key') as [number];
    put(cluster, 'key', 'x', 2_000, { to: a });
    put(cluster, 'key', 'y', 2_000, { to: a });
    const before = cluster.clockAt(a, 'key');
    expect(touch(cluster, 'key', 30_000).outcome).toBe(OK);
    const after = cluster.clockAt(a, 'key');
    expect(values(after).map(textOf)).toEqual(values(before).map(textOf));
    expect(values(after).map(({ time }) => time)).toEqual(values(before).map(({ time }) => time));
    expect(join(after)[0]!.n).toBe(join(before)[0]!.n + 2);
    cluster.advance(10_000);
    expect(everywhere(cluster, 'key')).toEqual([
      ['y', 'x'],
      ['y', 'x'],
      ['y', 'x'],
    ]);
    expect(touch(cluster, 'key', 0).outcome).toBe(OK);
    cluster.advance(30_000);
    expect(textsAt(cluster, a, 'key')).toEqual(['y', 'x']);
  });

  it('of what is not there, was deleted, or has expired a moment ago is refused', () => {
    const cluster = new Cluster(4, 3);
    expect(touch(cluster, 'none', 1_000).outcome).toBe(OUT_CONDITION);
    put(cluster, 'deleted', 'v', 0);
    ask(cluster, 'deleted', { operation: OP_DELETE, context: contextOf(cluster, 'deleted') });
    expect(touch(cluster, 'deleted', 1_000).outcome).toBe(OUT_CONDITION);
    put(cluster, 'expired', 'v', 50);
    cluster.nowMs += 60;
    expect(touch(cluster, 'expired', 1_000).outcome).toBe(OUT_CONDITION);
    expect(put(cluster, 'expired', 'new', 0, { condition: IF_ABSENT }).outcome).toBe(OK);
  });

  it('of a counter is refused', () => {
    const cluster = new Cluster(4, 3);
    ask(cluster, 'counter', { operation: OP_INCREMENT, by: 3 });
    expect(touch(cluster, 'counter', 1_000).outcome).toBe(OUT_COUNTER);
  });
});

describe('the list of what expires', () => {
  it('gives every name once, in time and in order of its steps, whatever the order of adding', () => {
    const random = seeded(4);
    const list = new DueList();
    const all = Array.from({ length: 5_000 }, (_, i) => ({ name: `${i}`, dueMs: 1_000 + random(100_000) }));
    for (const { name, dueMs } of all) list.add(name, dueMs);
    const taken = new Map<string, number>();
    for (let nowMs = 0; nowMs <= 110_000; nowMs += 500) {
      for (let name = list.take(nowMs); name !== undefined; name = list.take(nowMs)) taken.set(name, nowMs);
    }
    expect(list.size).toBe(0);
    expect(taken.size).toBe(all.length);
    for (const { name, dueMs } of all) {
      expect(taken.get(name)).toBeGreaterThanOrEqual(dueMs);
      expect(taken.get(name)).toBeLessThan(dueMs + 1_000);
    }
  });

  it('drops the latest when it is full, says so, and takes nothing later until a walk begins', () => {
    const list = new DueList();
    for (let i = 0; i < LIMITS.expiring; i++) list.add('later', 1_000_000 + i);
    expect(list.missed).toBe(false);
    list.add('sooner', 10);
    expect(list.missed).toBe(true);
    expect(list.size).toBeLessThanOrEqual(LIMITS.expiring);
    const { size } = list;
    list.add('much later', 1e12);
    expect(list.size).toBe(size);
    expect(list.take(300)).toBe('sooner');
    list.reset();
    list.add('much later', 1e12);
    expect(list.size).toBe(size);
    expect(list.missed).toBe(false);
  });
});
