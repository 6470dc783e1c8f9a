import { describe, expect, it } from 'vitest';
import { HANDOFF, OP_DELETE, OK } from '../../src/messaging/frames.js';
import { COUNT_REAPED, COUNT_TREE_KEYS, GAUGE_TOMBSTONES } from '../../src/shard/environment.js';
import { join, values } from '../../src/versions/dvvs.js';
import { Cluster } from './cluster.js';
import { type PutOptions, type PutResult, textOf } from './cluster-caller.js';

/** Three rounds and the pauses between them. */
const REAPED_MS = 24_000;
/** Before the second round, and behind it. */
const PROVED_MS = 6_000;
const HIDDEN_MS = 14_000;

function ask(cluster: Cluster, name: string, options: PutOptions): PutResult {
  const answers: PutResult[] = [];
  expect(cluster.put(name, options, (result) => answers.push(result))).toBe(true);
  for (let i = 0; i < 200 && answers.length === 0; i++) cluster.advance(5);
  expect(answers[0]?.outcome).toBe(OK);
  return answers[0]!;
}

function remove(cluster: Cluster, name: string, options: PutOptions = {}): PutResult {
  const first = cluster.owners(name).find((v) => cluster.vnodes[v]!.node !== undefined)!;
  const context = join(cluster.clockAt(first, name));
  return ask(cluster, name, { ...options, operation: OP_DELETE, context });
}

function textsAt(cluster: Cluster, v: number, name: string): string[] {
  return values(cluster.clockAt(v, name))
    .map((value) => (value.deleted ? 'deleted' : textOf(value)))
    .sort();
}

const everywhere = (cluster: Cluster, name: string): string[][] =>
  cluster.preference(name).map((v) => textsAt(cluster, v, name));
const reaped = (cluster: Cluster): number =>
  cluster.vnodes.reduce((sum, { counts }) => sum + (counts[COUNT_REAPED] ?? 0), 0);
const keysSent = (cluster: Cluster): number =>
  cluster.vnodes.reduce((sum, { counts }) => sum + (counts[COUNT_TREE_KEYS] ?? 0), 0);
const NOWHERE = [[], [], [], []];

describe('reaping tombstones by proof (4 nodes, N=3)', () => {
  it('a deleted key leaves all owners, and trees do not bring it back', () => {
    const cluster = new Cluster(4, 3);
    for (let i = 0; i < 20; i++) {
      ask(cluster, `k${i}`, { value: 'v' });
      remove(cluster, `k${i}`);
    }
    ask(cluster, 'stays', { value: 'v' });
    cluster.advance(2_000);
    expect(cluster.vnodes.reduce((sum, { counts }) => sum + (counts[GAUGE_TOMBSTONES] ?? 0), 0)).toBe(20);
    cluster.advance(REAPED_MS);
    for (let i = 0; i < 20; i++) expect(everywhere(cluster, `k${i}`)).toEqual(NOWHERE);
    expect(reaped(cluster)).toBe(60);
    expect(cluster.vnodes.map(({ counts }) => counts[GAUGE_TOMBSTONES] ?? 0)).toEqual([0, 0, 0, 0]);
    cluster.advance(5_000);
    for (let i = 0; i < 20; i++) expect(everywhere(cluster, `k${i}`)).toEqual(NOWHERE);
    expect(everywhere(cluster, 'stays')).toEqual([['v'], ['v'], ['v'], []]);
  });

  it('nothing is reaped while an owner is down that has the value, nor before its hint was delivered', () => {
    const cluster = new Cluster(4, 3);
    ask(cluster, 'key', { value: 'old', w: 3 });
    const [, b, , d] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(b);
    remove(cluster, 'key', { w: 3 });
    cluster.advance(2 * REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual([['deleted'], ['old'], ['deleted'], ['deleted']]);
    // It serves again, but nobody tells it.
    cluster.loses = (_from, to) => to === b;
    cluster.start(b);
    cluster.advance(2 * REAPED_MS);
    expect(textsAt(cluster, b, 'key')).toEqual(['old']);
    expect(cluster.hintsAt(d)).toBe(1);
    expect(reaped(cluster)).toBe(0);
    cluster.loses = () => false;
    cluster.advance(2 * REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual(NOWHERE);
  });

  it('a hint that waits at an owner is a reason not to reap, though all owners have the tombstone (3 nodes)', () => {
    const cluster = new Cluster(3, 3);
    ask(cluster, 'key', { value: 'v', w: 3 });
    const [a, , c] = cluster.owners('key') as [number, number, number];
    cluster.stop(c);
    remove(cluster, 'key', { w: 2 });
    cluster.advance(1_000);
    expect(cluster.hintsAt(a)).toBe(1);
    cluster.loses = (_from, _to, type) => type === HANDOFF;
    cluster.start(c);
    cluster.advance(2 * REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual([['deleted'], ['deleted'], ['deleted']]);
    expect(reaped(cluster)).toBe(0);
    cluster.loses = () => false;
    cluster.advance(2 * REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual([[], [], []]);
  });

  it('an answer that does not come keeps the tombstone everywhere, and it is tried again', () => {
    const cluster = new Cluster(4, 3);
    ask(cluster, 'key', { value: 'v', w: 3 });
    remove(cluster, 'key', { w: 3 });
    const [a, , , d] = cluster.preference('key') as [number, number, number, number];
    // The fallback has nothing to say, and must say so all the same.
    cluster.loses = (from, to) => from === d && to === a;
    cluster.advance(2 * REAPED_MS);
    expect(reaped(cluster)).toBe(0);
    cluster.loses = () => false;
    cluster.advance(2 * REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual(NOWHERE);
  });

  for (const afterMs of [100, PROVED_MS, HIDDEN_MS]) {
    it(`a put ${afterMs} ms behind the delete stays, and the trees of the owners are equal`, () => {
      const cluster = new Cluster(4, 3);
      ask(cluster, 'key', { value: 'old' });
      remove(cluster, 'key');
      cluster.advance(afterMs);
      const [a] = cluster.owners('key') as [number];
      ask(cluster, 'key', { value: 'new', context: join(cluster.clockAt(a, 'key')) });
      cluster.advance(2 * REAPED_MS);
      expect(everywhere(cluster, 'key')).toEqual([['new'], ['new'], ['new'], []]);
      expect(reaped(cluster)).toBe(0);
      // One of them makes its trees anew.
      cluster.stop(a);
      cluster.start(a);
      cluster.advance(2_000);
      // Trees that differ have their keys listed and sent, again and again.
      const sent = keysSent(cluster);
      cluster.advance(10_000);
      expect(keysSent(cluster)).toBe(sent);
    });
  }

  it('an owner that dies before the removal brings the tombstone back, never the value', () => {
    const cluster = new Cluster(4, 3);
    ask(cluster, 'key', { value: 'v', w: 3 });
    remove(cluster, 'key', { w: 3 });
    cluster.advance(HIDDEN_MS);
    const [, b] = cluster.owners('key') as [number, number];
    cluster.stop(b);
    cluster.start(b);
    for (let i = 0; i < 400; i++) {
      cluster.advance(200);
      for (const texts of everywhere(cluster, 'key')) expect(texts).not.toContain('v');
    }
    expect(everywhere(cluster, 'key')).toEqual(NOWHERE);
  });

  it('a key that lives again is not swallowed by who still has the tombstone, nor by a context from before', () => {
    const cluster = new Cluster(4, 3);
    const [a, b, c] = cluster.owners('key') as [number, number, number];
    for (let i = 0; i < 5; i++)
      ask(cluster, 'key', { value: `${i}`, context: join(cluster.clockAt(a, 'key')), to: a });
    const old = join(cluster.clockAt(a, 'key'));
    remove(cluster, 'key', { to: a });
    const tombstone = cluster.record('key', cluster.clockAt(b, 'key'));
    cluster.advance(REAPED_MS);
    expect(everywhere(cluster, 'key')).toEqual(NOWHERE);
    // One owner of three comes back with it, as after a power cut.
    cluster.tell(b, tombstone);
    ask(cluster, 'key', { value: 'new', to: a, w: 3 });
    for (const v of [a, b, c]) expect(textsAt(cluster, v, 'key')).toContain('new');
    ask(cluster, 'key', { value: 'from before', context: old, to: a, w: 3 });
    for (const v of [a, b, c]) {
      expect(textsAt(cluster, v, 'key').filter((text) => text !== 'deleted')).toEqual(['from before', 'new']);
    }
  });
});
