import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSmall, temporary, until } from './support.js';

/** Long enough that nothing is written but for being hastened. */
const FLUSH_MS = 10_000;

test('a one-durable put is synced at once by one of its owners, which is not the coordinator (N=3)', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data });
  await first.put('key', 'old', { w: 'all' });
  await first.close();
  // What an exchange of trees brings is synced, and a checkpoint writes: there are none after the first ones.
  const pace = { exchangeMs: 2 ** 40, checkpointMs: 2 ** 40 };
  const store = await openSmall('lmdb', { data, flushMs: FLUSH_MS }, { pace });
  await until('all are equal', () => store.stats().vnodes.every(({ inSyncMs }) => inSyncMs !== null));
  const written = (): readonly number[] => store.stats().vnodes.map(({ writtenRecords }) => writtenRecords);
  const before = written();
  const { context } = await store.put('key', 'buffered', { w: 'all' });
  expect(written()).toEqual(before);
  const coordinated = (): readonly number[] => store.stats().vnodes.map((vnode) => vnode.coordinated);
  await store.put('key', 'hybrid', { durability: 'one-durable', context });
  const ahead = (): readonly number[] =>
    store.stats().vnodes.flatMap(({ syncedRecords }, i) => (syncedRecords >= before[i]! + 2 ? [i] : []));
  await until('one owner has synced', () => ahead().length === 1);
  expect(coordinated()[ahead()[0]!]).toBe(0);
  expect(written().filter((records, i) => records === before[i])).toHaveLength(2);
});

test('without other copies the coordinator itself syncs (N=1)', async () => {
  const store = await openSmall('lmdb', { flushMs: FLUSH_MS, nodes: 1 });
  await store.put('key', 'value', { durability: 'one-durable' });
  await until('it has synced', () => store.stats().vnodes[0]!.syncedRecords === 1);
});
