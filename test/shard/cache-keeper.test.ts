import { expect, it } from 'vitest';
import { buildRing } from '../../src/ring/ring.js';
import { CacheKeeper } from '../../src/shard/cache/cache-keeper.js';
import { GuestActor, OwnActor } from '../../src/shard/guest-actor.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { record, shared, value } from '../storage/support.js';

it('an eviction forgets the dots of what was coordinated as an owner, and as a fallback', () => {
  const nodes = ['n1', 'n2'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
  const ring = buildRing({ nodes, partitions: 16, spacing: 1 });
  const buffer = shared().open();
  buffer.startAt(0, 1, 0);
  const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
  const pipeline = new Pipeline(buffer, undefined, options, () => undefined);
  let next = 70;
  const guest = new GuestActor(() => next++);
  const own = new OwnActor(5, () => next++);
  let evicted = 0;
  const env = {
    ring,
    ordinal: 0,
    caches: { limitOf: () => 1, vnodeBytes: 1 },
    gauge: () => undefined,
    count: () => evicted++,
  };
  const keeper = new CacheKeeper({ env, pipeline, own, guest } as never);
  const write = (name: string, actor: number, n: number): void => {
    const { words, key, bytes } = record(name, [{ actor, n, values: [value(name)] }]);
    expect(pipeline.room(bytes)).toBe('ready');
    pipeline.append(words, 0, key);
  };
  write('owned', own.get()!, 8);
  write('kept', guest.get()!, 1);
  for (let i = 0; i < 10; i++) keeper.poll(i);
  expect(evicted).toBe(2);
  expect([own.floorOf(own.get()!), guest.get()]).toEqual([8, 71]);
});
