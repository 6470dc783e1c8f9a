import { join } from 'node:path';
import { createStorage, restoreSnapshot, snapshot, type Storage } from 'unstorage';
import { expect, test } from 'vitest';
import { failure, temporary, until } from '../integration/support.js';
import { ringletDriver, sharedStore } from './support.js';

/** What unstorage's documentation says of storages and drivers, a case each. */
const shared = sharedStore();

function storage(bucket = shared.fresh()): Storage {
  return createStorage({ driver: ringletDriver({ store: shared.store, bucket }) });
}

test('items keep their type: strings, numbers, booleans, objects; null and undefined remove', async () => {
  const items = storage();
  const values = { s: 'ä', empty: '', n: 1.5, yes: true, o: { deep: [1, { a: null }] } };
  for (const [key, value] of Object.entries(values)) await items.setItem(key, value);
  for (const [key, value] of Object.entries(values)) expect(await items.getItem(key)).toEqual(value);
  expect(await items.getItem('none')).toBeNull();
  expect([await items.hasItem('s'), await items.hasItem('none')]).toEqual([true, false]);
  await items.setItem('s', undefined as never);
  expect(await items.hasItem('s')).toBe(false);
  await items.removeItem('n');
  await items.removeItem('none');
  expect(await items.getItem('n')).toBeNull();
});

test('raw items are bytes, whatever view of a buffer they come in', async () => {
  const items = storage();
  const bytes = Uint8Array.of(0, 1, 254, 255);
  const views = {
    u8: bytes,
    buffer: bytes.buffer,
    view: new DataView(bytes.buffer, 1, 2),
    node: Buffer.from(bytes),
  };
  for (const [key, value] of Object.entries(views)) await items.setItemRaw(key, value);
  expect(await items.getItemRaw('u8')).toEqual(Buffer.from(bytes));
  expect(await items.getItemRaw('buffer')).toEqual(Buffer.from(bytes));
  expect(await items.getItemRaw('view')).toEqual(Buffer.of(1, 254));
  expect(await items.getItemRaw('node')).toEqual(Buffer.from(bytes));
  await items.setItemRaw('text', 'plain');
  expect(await items.getItem('text')).toBe('plain');
  expect(await items.getItemRaw('text')).toEqual(Buffer.from('plain'));
  expect(await items.getItemRaw('none')).toBeNull();
  expect((await failure(items.setItemRaw('k', { not: 'bytes' }))).code).toBe('BAD_REQUEST');
});

test('many at once, each with its own options', async () => {
  const items = storage();
  await items.setItems<object | number>(
    [
      { key: 'a', value: 1 },
      { key: 'b', value: { x: 1 }, options: { ttl: 1_000 } },
    ],
    { ttl: 500 },
  );
  expect(await items.getItems(['b', 'none', { key: 'a' }])).toEqual([
    { key: 'b', value: { x: 1 } },
    { key: 'none', value: null },
    { key: 'a', value: 1 },
  ]);
  const ttlOf = async (key: string): Promise<number> => Number((await items.getMeta(key)).ttl);
  for (const [key, ttl] of [
    ['a', 500],
    ['b', 1_000],
  ] as const) {
    expect(await ttlOf(key), key).toBeLessThanOrEqual(ttl);
    expect(await ttlOf(key), key).toBeGreaterThan(ttl - 400);
  }
  const tooLong = { key: 'k'.repeat(1_901), value: 1 };
  expect((await failure(items.setItems([tooLong, { key: 'c', value: 1 }]))).code).toBe('KEY_TOO_LARGE');
});

test('keys are listed by base, at any depth, and in the form in which unstorage writes them', async () => {
  const items = storage();
  for (const key of ['s1:a', 's1:b:c', 's1/d', 's12:e', 'top']) await items.setItem(key, 'v');
  expect((await items.getKeys()).sort()).toEqual(['s12:e', 's1:a', 's1:b:c', 's1:d', 'top']);
  expect((await items.getKeys('s1')).sort()).toEqual(['s1:a', 's1:b:c', 's1:d']);
  expect((await items.getKeys('s1:', { maxDepth: 1 })).sort()).toEqual(['s1:a', 's1:d']);
  expect(await items.getKeys('none')).toEqual([]);
  expect(await ringletDriver({ store: shared.store, bucket: shared.fresh() }).getKeys('s1', {})).toEqual([]);
});

test('clear of the driver takes what is under a base; of a storage, the mounts under it', async () => {
  const bucket = shared.fresh();
  const items = storage(bucket);
  for (const key of ['s1:a', 's1:b:c', 's12:e', 'top']) await items.setItem(key, 'v');
  await items.clear('s1');
  expect(await items.getKeys()).toHaveLength(4);
  const driver = ringletDriver({ store: shared.store, bucket });
  await driver.clear!('s1', {});
  expect((await items.getKeys()).sort()).toEqual(['s12:e', 'top']);
  await driver.clear!('s12:', {});
  expect(await items.getKeys()).toEqual(['top']);
  await items.clear();
  expect(await items.getKeys()).toEqual([]);
});

test('a storage with several mounts keeps them apart', async () => {
  const items = storage();
  items.mount('cache', ringletDriver({ store: shared.store, bucket: shared.fresh() }));
  await items.setItem('cache:a', 'mounted');
  await items.setItem('b', 'root');
  expect((await items.getKeys()).sort()).toEqual(['b', 'cache:a']);
  await items.clear('cache');
  expect(await items.getKeys()).toEqual(['b']);
});

test('meta data: when it was written, how long it is, when it ends; and that which users add', async () => {
  const items = storage();
  const before = Date.now();
  await items.setItemRaw('k', 'four');
  await items.setMeta('k', { owner: 'ada' });
  const meta = await items.getMeta('k');
  expect(meta).toMatchObject({ size: 4, contentType: 'text/plain;charset=utf-8', owner: 'ada' });
  expect(meta.mtime!.getTime()).toBeGreaterThanOrEqual(before - 1);
  expect(meta).not.toHaveProperty('ttl');
  expect(await items.getKeys()).toEqual(['k']);
  expect(await items.getMeta('none')).toEqual({});
  await items.removeItem('k', { removeMeta: true });
  expect(await items.getMeta('k')).toEqual({});
});

test('a time to live in seconds ends an item for everybody', async () => {
  const bucket = shared.fresh();
  const items = storage(bucket);
  await items.setItem('short', 'v', { ttl: 0.001 });
  await items.setItem('long', 'v', { ttl: 600 });
  await until('it has expired', async () => !(await shared.store.bucket(bucket).get('short')).found);
  expect(await items.getKeys()).toEqual(['long']);
});

test('watchers hear of what this storage changes; snapshots are taken and restored', async () => {
  const items = storage();
  const heard: string[] = [];
  const unwatch = await items.watch((event, key) => heard.push(`${event} ${key}`));
  await items.setItem('base:a', 1);
  await items.setItem('base:b', { two: 2 });
  await items.removeItem('base:a');
  await unwatch();
  expect(heard).toEqual(['update base:a', 'update base:b', 'remove base:a']);
  const taken = await snapshot(items, 'base');
  const other = storage();
  await restoreSnapshot(other, taken, 'copy');
  expect(await other.getItem('copy:b')).toEqual({ two: 2 });
});

test('a driver with a store of its own closes it when it is disposed', async () => {
  const data = join(temporary(), 'data');
  const target = { open: { data, nodes: 1, memoryMiB: 32, partitions: 4 } };
  for (const expected of [null, 'kept']) {
    const items = createStorage({ driver: ringletDriver(target) });
    expect(await items.getItem('k')).toBe(expected);
    await items.setItem('k', 'kept');
    await items.dispose();
    expect((await failure(items.getItem('k'))).code).toBe('CLOSED');
  }
});
