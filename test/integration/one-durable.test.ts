import { expect, test } from 'vitest';
import { openSmall, until } from './support.js';

/** Long enough that nothing is written but for being hastened. */
const FLUSH_MS = 10_000;

test('a one-durable put is synced at once by one of its owners, which is not the coordinator (N=3)', async () => {
  const store = await openSmall('lmdb', { flushMs: FLUSH_MS });
  await store.put('key', 'buffered');
  expect(store.stats().vnodes.map(({ writtenRecords }) => writtenRecords)).toEqual([0, 0, 0]);
  await store.put('key', 'hybrid', { durability: 'one-durable', context: (await store.get('key')).context! });
  const ahead = (): readonly string[] =>
    store
      .stats()
      .vnodes.filter(({ syncedRecords }) => syncedRecords === 2)
      .map(({ id }) => id);
  await until('one owner has synced', () => ahead().length === 1);
  const { vnodes } = store.stats();
  const coordinators = vnodes.filter(({ coordinated }) => coordinated > 0).map(({ id }) => id);
  expect(coordinators).not.toContain(ahead()[0]);
  expect(vnodes.filter(({ writtenRecords }) => writtenRecords === 0)).toHaveLength(2);
});

test('without other copies the coordinator itself syncs (N=1)', async () => {
  const store = await openSmall('lmdb', { flushMs: FLUSH_MS, nodes: 1 });
  await store.put('key', 'value', { durability: 'one-durable' });
  await until('it has synced', () => store.stats().vnodes[0]!.syncedRecords === 1);
});
