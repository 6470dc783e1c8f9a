import { describe, expect, test } from 'vitest';
import {
  IF_ABSENT,
  OK,
  OUT_CONDITION,
  OUT_CONDITION_UNAVAILABLE,
  RANGE_COMPARE,
  TREE_COMPARE,
  TREE_PUSHED,
} from '../../src/messaging/frames.js';
import { otherOwners, ownersAlone } from '../../src/ring/live-ring.js';
import { HANDED } from '../../src/ring/ring.js';
import { Rebuilding } from '../../src/shard/rebuilding.js';
import { Cluster } from './cluster.js';
import { type PutResult, textOf } from './cluster-caller.js';

const LOSS = { buckets: 1, discarded: false };

function loseAndStart(cluster: Cluster, v: number, loss = LOSS): void {
  cluster.stop(v);
  cluster.lose(v);
  cluster.start(v, true, loss);
}

function put(cluster: Cluster, name: string, options: Parameters<Cluster['put']>[1]): PutResult[] {
  const results: PutResult[] = [];
  cluster.put(name, options, (result) => results.push(result));
  return results;
}

const valueAt = (cluster: Cluster, v: number, name: string): string[] =>
  cluster.clockAt(v, name).flatMap(({ values }) => values.map(textOf));

describe('a virtual node that lost its data (N=3)', () => {
  test('is whole once all whole owners have proven; one that is down keeps it waiting', () => {
    const cluster = new Cluster(3, 3);
    for (let i = 0; i < 50; i++) put(cluster, `k${i}`, { value: `v${i}`, w: 3 });
    cluster.advance(500);
    cluster.stop(2);
    loseAndStart(cluster, 0);
    cluster.advance(5_000);
    expect(cluster.rebuilding.has(0), 'only one of its peers has proven').toBe(true);
    expect(valueAt(cluster, 0, 'k7')).toEqual(['v7']);
    cluster.start(2);
    cluster.advance(5_000);
    expect(cluster.rebuilding.size).toBe(0);
    for (let i = 0; i < 50; i++) expect(valueAt(cluster, 0, `k${i}`)).toEqual([`v${i}`]);
  });

  test('two of them prove nothing to each other', () => {
    const cluster = new Cluster(3, 3);
    put(cluster, 'k', { value: 'v', w: 3 });
    cluster.advance(500);
    cluster.stop(2);
    loseAndStart(cluster, 0);
    loseAndStart(cluster, 1);
    cluster.advance(5_000);
    expect([...cluster.rebuilding].sort((a, b) => a - b)).toEqual([0, 1]);
    cluster.start(2);
    cluster.advance(5_000);
    expect(cluster.rebuilding.size).toBe(0);
    expect(valueAt(cluster, 0, 'k')).toEqual(['v']);
  });

  test('where all have lost theirs only the word of the operator makes them whole', () => {
    const cluster = new Cluster(3, 3);
    put(cluster, 'k', { value: 'v', w: 3 });
    cluster.advance(500);
    for (const v of [0, 1, 2]) loseAndStart(cluster, v);
    cluster.advance(5_000);
    expect(cluster.rebuilding.size).toBe(3);
    for (const v of [0, 1, 2]) loseAndStart(cluster, v, { buckets: 1, discarded: true });
    cluster.advance(5_000);
    expect(cluster.rebuilding.size).toBe(0);
  });

  test('buckets that came after the loss do not keep it waiting', () => {
    const cluster = new Cluster(3, 3);
    cluster.stop(1);
    cluster.stop(2);
    loseAndStart(cluster, 0, { buckets: 0, discarded: false });
    cluster.advance(500);
    expect(cluster.rebuilding.size).toBe(0);
  });

  test('decides a condition by R others: its own absence is none', () => {
    const cluster = new Cluster(3, 3);
    put(cluster, 'k', { value: 'v', w: 3 });
    cluster.advance(500);
    const [first, second, third] = cluster.owners('k') as [number, number, number];
    cluster.stop(third);
    loseAndStart(cluster, first);
    // Trees could bring the record in between: no exchange gets through.
    cluster.loses = (_from, _to, type) => type >= 30 && type <= 37;
    cluster.advance(20);
    const refused = put(cluster, 'k', { value: 'w', condition: IF_ABSENT, r: 2, w: 2, to: first });
    cluster.advance(600);
    expect(refused[0]!.outcome, 'only one whole owner is there').toBe(OUT_CONDITION_UNAVAILABLE);
    const failed = put(cluster, 'k', { value: 'w', condition: IF_ABSENT, r: 1, w: 2, to: first });
    cluster.advance(600);
    expect(failed[0]!.outcome).toBe(OUT_CONDITION);
    expect(valueAt(cluster, second, 'k')).toEqual(['v']);
    const fresh = put(cluster, 'other', {
      value: 'x',
      condition: IF_ABSENT,
      r: 1,
      w: 2,
      to: cluster.owners('other')[0]!,
    });
    cluster.advance(600);
    expect(fresh[0]!.outcome).toBe(OK);
  });

  test('is not whole before what it was given is synced', () => {
    let synced: (() => void) | undefined;
    let whole = 0;
    const rebuilding = new Rebuilding({
      env: { ordinal: 0, isServing: () => true, isWhole: () => true } as never,
      pipeline: { buffer: { lastSequence: 9 } } as never,
      completions: {
        awaitLevel: (sequence: number, _level: number, action: () => void) => {
          expect(sequence).toBe(9);
          synced = action;
          return true;
        },
      } as never,
      sets: { everySet: (_buckets, visit) => visit([0, 1, 2]) },
      loss: LOSS,
      onWhole: () => whole++,
    });
    rebuilding.poll();
    rebuilding.prove(1);
    rebuilding.poll();
    expect(synced).toBeUndefined();
    rebuilding.prove(2);
    rebuilding.poll();
    rebuilding.poll();
    expect([whole, rebuilding.partial]).toEqual([0, true]);
    synced!();
    expect([whole, rebuilding.partial]).toEqual([1, false]);
  });
});

describe('a virtual node that is rebuilt during a ring change', () => {
  /** Until exchanges with those who cannot be heard have ended, and others had their turn. */
  const SILENCE = 12_000;
  const isTrees = (type: number): boolean => type >= TREE_COMPARE && type <= TREE_PUSHED;

  test('who proved something while it was joining proves it anew as an owner', () => {
    // Of partition 6, 2 and 4 are the owners, and they share no other; a joiner takes the place of 4.
    const [lost, goes, comes] = [2, 4, 5];
    const cluster = new Cluster(5, 2, undefined, undefined, false, 1);
    const name = Array.from({ length: 100 }, (_, i) => `k${i}`).find((k) => cluster.partitionOf(k) === 6)!;
    put(cluster, name, { value: 'v', w: 2 });
    cluster.advance(200);
    cluster.loses = (from, to, type) =>
      type === RANGE_COMPARE || (isTrees(type) && (from === goes || to === goes));
    cluster.join('n9');
    expect([ownersAlone(cluster.ring, 6, 2), otherOwners(cluster.ring, 6, 2)]).toEqual([[goes], [comes]]);
    loseAndStart(cluster, lost);
    cluster.advance(SILENCE);
    expect([cluster.rebuilding.has(lost), valueAt(cluster, lost, name)]).toEqual([true, []]);

    const others = new Set([goes, comes]);
    cluster.loses = (from, to, type) =>
      isTrees(type) && ((from === lost && others.has(to)) || (to === lost && others.has(from)));
    for (let i = 0; cluster.ring.moves?.state[6] !== HANDED; i++) {
      expect(i).toBeLessThan(500);
      cluster.advance(20);
      cluster.publish();
    }
    expect(valueAt(cluster, comes, name)).toEqual(['v']);
    cluster.advance(500);
    expect([cluster.rebuilding.has(lost), valueAt(cluster, lost, name)]).toEqual([true, []]);
    cluster.loses = () => false;
    cluster.advance(SILENCE);
    expect([cluster.rebuilding.has(lost), valueAt(cluster, lost, name)]).toEqual([false, ['v']]);
  });

  test('one that is about to own something needs what its owners have', () => {
    const [goes, comes] = [4, 5];
    const cluster = new Cluster(5, 2, undefined, undefined, false, 1);
    cluster.loses = (from, to, type) =>
      type === RANGE_COMPARE || (isTrees(type) && (from === goes || to === goes));
    cluster.join('n9');
    loseAndStart(cluster, comes);
    cluster.advance(SILENCE);
    expect(cluster.rebuilding.has(comes)).toBe(true);
    cluster.loses = (_from, _to, type) => type === RANGE_COMPARE;
    cluster.advance(SILENCE);
    expect(cluster.rebuilding.has(comes)).toBe(false);
  });
});

test('who has proven proves it again when the ring has changed: it may have been a joiner before', () => {
  const rebuilding = new Rebuilding({
    env: { ordinal: 0, isServing: () => true, isWhole: () => true },
    pipeline: { buffer: { lastSequence: 1 } },
    completions: { awaitLevel: () => false },
    sets: { everySet: (_buckets: number, holds: (owners: number[]) => boolean) => holds([0, 1, 2]) },
    loss: LOSS,
    onWhole: () => undefined,
  } as never);
  rebuilding.prove(1);
  rebuilding.ringChanged();
  rebuilding.prove(2);
  rebuilding.poll();
  expect([rebuilding.partial, rebuilding.needs(1), rebuilding.needs(2)]).toEqual([true, true, false]);
  rebuilding.prove(1);
  rebuilding.poll();
  expect(rebuilding.partial).toBe(false);
});
