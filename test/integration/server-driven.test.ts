import { expect, test } from 'vitest';
import { ENGINES, failure, openSmall, text, texts, until } from './support.js';

const KEYS = Array.from({ length: 60 }, (_, i) => `key ${i}`);

test.each(ENGINES)(
  'any virtual node takes a request: puts are passed on to owners, gets are coordinated (%s, 5 nodes, N=3)',
  async (engine) => {
    const store = await openSmall(engine, { nodes: 5, coordination: 'server' });
    for (const key of KEYS) await store.put(key, `value of ${key}`);
    for (const key of KEYS) expect(text((await store.get(key)).value)).toBe(`value of ${key}`);
    expect(await store.get('nothing')).toMatchObject({ found: false, degraded: false });
    const { vnodes } = store.stats();
    expect(vnodes.reduce((sum, vnode) => sum + vnode.directReads, 0)).toBe(0);
    // Each key was made at one of its owners, and everybody coordinated something.
    expect(vnodes.reduce((sum, vnode) => sum + vnode.coordinated, 0)).toBe(KEYS.length);
    for (const { reads } of vnodes) expect(reads).toBeGreaterThan(0);
  },
);

test('contexts, siblings, conditions and deletes mean the same as ever (server-driven)', async () => {
  const store = await openSmall('memory', { nodes: 4, coordination: 'server' });
  const { context } = await store.put('key', 'one');
  await store.put('key', 'two');
  const both = await store.get('key');
  expect(texts(both)).toEqual(['one', 'two']);
  await store.put('key', 'three', { context: both.context! });
  expect(text((await store.get('key')).value)).toBe('three');
  const stale = await failure(store.put('key', 'four', { ifMatch: context }));
  expect(stale.code).toBe('CONDITION_FAILED');
  expect(await store.increment('count', 3)).toBe(3);
  await store.delete('key', { context: (await store.get('key')).context! });
  expect((await store.get('key')).found).toBe(false);
});

test('it goes on while a node is down, and says so when R owners are not there (N=3, R=2)', async () => {
  const store = await openSmall('memory', { nodes: 3, coordination: 'server', allowFaults: true });
  await store.put('key', 'value');
  store.faults.inject({ kind: 'stop', at: 'n1', forMs: 60_000 });
  await until('n1 is down', () => store.stats().vnodes[0]!.state !== 'serving');
  for (let i = 0; i < 6; i++) expect(text((await store.get('key')).value)).toBe('value');
  await store.put('key', 'next', { context: (await store.get('key')).context! });
  store.faults.inject({ kind: 'stop', at: 'n2', forMs: 60_000 });
  await until('n2 is down', () => store.stats().vnodes[1]!.state !== 'serving');
  expect((await failure(store.get('key', { timeoutMs: 500 }))).code).toBe('QUORUM_NOT_MET');
  store.faults.clear();
});
