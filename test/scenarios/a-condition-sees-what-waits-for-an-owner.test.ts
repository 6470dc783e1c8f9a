import { expect, it } from 'vitest';
import {
  HANDOFF,
  IF_ABSENT,
  OK,
  OUT_CONDITION,
  OUT_CONDITION_UNAVAILABLE,
} from '../../src/messaging/frames.js';
import { Cluster } from '../shard/cluster.js';
import type { PutOptions } from '../shard/cluster-caller.js';

function ask(cluster: Cluster, options: PutOptions): number | string | undefined {
  const outcomes: (number | string)[] = [];
  cluster.put('key', options, ({ outcome }) => outcomes.push(outcome));
  for (let i = 0; i < 200 && outcomes.length === 0; i++) cluster.advance(5);
  return outcomes[0];
}

/**
 * Found by the simulator once its buckets allowed sloppy quorums: a put that a fallback had
 * acknowledged in an owner's place was not seen by a condition with R+W>N, since it was decided on
 * the copies of R owners whatever still waited for them.
 */
it('a condition is not decided without the copies that wait for its owners (4 nodes, N=3, R=W=2)', () => {
  const cluster = new Cluster(4, 3);
  const [a, b, c] = cluster.preference('key') as [number, number, number, number];
  cluster.stop(a);
  cluster.stop(c);
  expect(ask(cluster, { value: 'v', to: b })).toBe(OK);
  // Both are back, but nothing is handed over yet, and who holds the copy for c is gone.
  cluster.loses = (_from, _to, type) => type === HANDOFF;
  cluster.start(a);
  cluster.start(c);
  cluster.stop(b);
  expect(ask(cluster, { value: 'w', to: a, condition: IF_ABSENT })).toBe(OUT_CONDITION_UNAVAILABLE);
  // As soon as all that may know something can be asked, it is decided.
  cluster.start(b);
  expect(ask(cluster, { value: 'w', to: a, condition: IF_ABSENT })).toBe(OUT_CONDITION);
});
