import { describe, expect, it } from 'vitest';
import { OK } from '../../src/messaging/frames.js';
import type { Work } from '../../src/storage/admission.js';
import { Cluster } from './cluster.js';

/** Holds a kind of work back at every virtual node until it is let go. */
function hold(cluster: Cluster, held: ReadonlySet<Work>): void {
  for (const { pipeline } of cluster.vnodes) {
    const slice = pipeline.admission.slice.bind(pipeline.admission);
    pipeline.admission.slice = (work, nowMs, run) => !held.has(work) && slice(work, nowMs, run);
  }
}

describe('background work waits for admission, requests do not (4 nodes, N=3)', () => {
  it('hints stay where they are until handing over is admitted', () => {
    const cluster = new Cluster(4, 3);
    const [, owner] = cluster.preference('key') as [number, number];
    cluster.stop(owner);
    const outcomes: unknown[] = [];
    cluster.put('key', { value: 'v', w: 3 }, ({ outcome }) => outcomes.push(outcome));
    cluster.advance(50);
    expect(outcomes).toEqual([OK]);
    cluster.start(owner);
    const held = new Set<Work>(['handoff', 'trees']);
    hold(cluster, held);
    cluster.advance(3_000);
    expect(cluster.clockAt(owner, 'key')).toEqual([]);
    held.delete('handoff');
    cluster.advance(3_000);
    expect(cluster.clockAt(owner, 'key')).not.toEqual([]);
  });

  it('trees are not rebuilt, and nothing is exchanged, until that is admitted', () => {
    const cluster = new Cluster(4, 3);
    const [first, owner] = cluster.preference('key') as [number, number];
    const held = new Set<Work>(['trees']);
    cluster.put('key', { value: 'v', w: 3 }, () => undefined);
    cluster.advance(50);
    cluster.stop(owner);
    cluster.lose(owner);
    cluster.start(owner, true);
    hold(cluster, held);
    cluster.advance(5_000);
    expect(cluster.clockAt(first, 'key')).not.toEqual([]);
    expect(cluster.clockAt(owner, 'key')).toEqual([]);
    held.clear();
    cluster.advance(10_000);
    expect(cluster.clockAt(owner, 'key')).not.toEqual([]);
  });
});
