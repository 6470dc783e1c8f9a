import { describe, expect, test } from 'vitest';
import { HANDOFF, OP_DELETE, OK } from '../../src/messaging/frames.js';
import { join, values } from '../../src/versions/dvvs.js';
import { Cluster } from '../shard/cluster.js';
import type { PutOptions, PutResult } from '../shard/cluster-caller.js';

/** Three rounds and the pauses between them. */
const REAPED_MS = 24_000;

function ask(cluster: Cluster, name: string, options: PutOptions): void {
  const answers: PutResult[] = [];
  expect(cluster.put(name, options, (result) => answers.push(result))).toBe(true);
  for (let i = 0; i < 200 && answers.length === 0; i++) cluster.advance(5);
  expect(answers[0]?.outcome).toBe(OK);
}

const copies = (cluster: Cluster, name: string): number[] =>
  cluster.preference(name).map((v) => values(cluster.clockAt(v, name)).length);

describe('while a backup is read, no copy is let go (4 nodes, N=3)', () => {
  test('a fallback keeps what it holds for an owner that is back, and hands it over afterwards', () => {
    const cluster = new Cluster(4, 3);
    const [, owner, , fallback] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(owner);
    ask(cluster, 'key', { value: 'v', w: 3 });
    cluster.retains = true;
    cluster.start(owner);
    cluster.advance(2_000);
    expect(cluster.hintsAt(fallback)).toBe(1);
    expect(values(cluster.clockAt(fallback, 'key')).length).toBe(1);
    cluster.retains = false;
    cluster.advance(2_000);
    expect(cluster.hintsAt(fallback)).toBe(0);
    expect(copies(cluster, 'key')).toEqual([1, 1, 1, 0]);
  });

  test('also where the owner has acknowledged it before the fallback hears of the backup', () => {
    const cluster = new Cluster(4, 3);
    const [, owner, , fallback] = cluster.preference('key') as [number, number, number, number];
    cluster.stop(owner);
    ask(cluster, 'key', { value: 'v', w: 3 });
    cluster.loses = (_from, to, type) => {
      // It begins between the owner's answer and the fallback's next turn.
      if (type === HANDOFF && to === owner) cluster.retains = true;
      return false;
    };
    cluster.start(owner);
    cluster.advance(2_000);
    expect(cluster.retains).toBe(true);
    expect(values(cluster.clockAt(fallback, 'key')).length).toBe(1);
    expect(cluster.hintsAt(fallback)).toBe(1);
  });

  test('a tombstone stays at all owners, and is reaped afterwards', () => {
    const cluster = new Cluster(4, 3);
    ask(cluster, 'key', { value: 'v' });
    const first = cluster.owners('key')[0]!;
    ask(cluster, 'key', { operation: OP_DELETE, context: join(cluster.clockAt(first, 'key')) });
    cluster.retains = true;
    cluster.advance(2 * REAPED_MS);
    expect(copies(cluster, 'key')).toEqual([1, 1, 1, 0]);
    cluster.retains = false;
    cluster.advance(3 * REAPED_MS);
    expect(copies(cluster, 'key')).toEqual([0, 0, 0, 0]);
  });
});
