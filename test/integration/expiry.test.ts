import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENGINES, failure, openSmall, temporary, text, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

/** Long for a value that is about to be looked at, on a busy machine. */
const LONG_MS = 60_000;

async function gone(store: OpenStore, key: string): Promise<void> {
  await until(`${key} has expired`, async () => !(await store.get(key)).found);
}

describe.each(ENGINES)('time to live (%s)', (engine) => {
  test.each([true, false])('ends for every way to read (direct reads: %s)', async (directReads) => {
    const store = await openSmall(engine, { directReads });
    const putMs = Date.now();
    await store.put('short', 'v', { ttlMs: 300, w: 3 });
    await store.put('long', 'v', { ttlMs: LONG_MS, w: 3 });
    await store.putMany(
      [
        { key: 'many', value: 'v', ttlMs: 300 },
        { key: 'ever', value: 'v' },
      ],
      { w: 3 },
    );
    const long = await store.get('long');
    const { expiresAtMs } = long.siblings[0]!;
    expect(expiresAtMs).toBeGreaterThanOrEqual(putMs + LONG_MS);
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + LONG_MS);
    expect((await store.get('ever')).siblings[0]).not.toHaveProperty('expiresAtMs');
    await gone(store, 'short');
    expect(Date.now()).toBeGreaterThanOrEqual(putMs + 300);
    await gone(store, 'many');
    // Once gone it stays so, for all replicas.
    for (let i = 0; i < 50; i++) expect((await store.get('short', { r: 1 + (i % 3) })).found).toBe(false);
    expect((await store.get('short')).context).toBeDefined();
    const keys: (string | undefined)[] = [];
    for await (const { key } of store.scan()) keys.push(text(key));
    expect(keys.toSorted((a, b) => (a! < b! ? -1 : 1))).toEqual(['ever', 'long']);
    await until('it has left the storage', () => store.stats().vnodes.every(({ expired }) => expired === 2));
    expect(await store.put('short', 'again', { ifAbsent: true })).toBeDefined();
    expect(text((await store.get('short')).value)).toBe('again');
  });

  test('a bucket has one for its puts, touch and persist change it, a put may have another or none', async () => {
    const store = await openSmall(engine);
    const bucket = store.bucket('sessions', { ttlMs: LONG_MS });
    await bucket.put('session', 'v');
    const first = (await bucket.get('session')).siblings[0]!;
    expect(first.expiresAtMs).toBeGreaterThan(Date.now());
    expect(await bucket.touch('session', 2 * LONG_MS)).toBe(true);
    const touched = (await bucket.get('session')).siblings;
    expect(touched).toHaveLength(1);
    expect(touched[0]!.expiresAtMs).toBeGreaterThan(first.expiresAtMs! + LONG_MS / 2);
    expect(touched[0]!.modifiedAtMs).toBe(first.modifiedAtMs);
    expect(await bucket.persist('session')).toBe(true);
    expect((await bucket.get('session')).siblings[0]).not.toHaveProperty('expiresAtMs');
    await bucket.put('ever', 'v', { ttlMs: 0 });
    expect((await bucket.get('ever')).siblings[0]).not.toHaveProperty('expiresAtMs');
    await bucket.put('short', 'v', { ttlMs: 1 });
    await until('it has expired', async () => !(await bucket.get('short')).found);
    expect(await bucket.touch('short', LONG_MS)).toBe(false);
    expect(await bucket.touch('nothing', LONG_MS)).toBe(false);
    expect(await store.bucket('not-yet').persist('nothing')).toBe(false);
    await bucket.setProperties({ ttlMs: 0 });
    await bucket.put('later', 'v');
    expect((await bucket.get('later')).siblings[0]).not.toHaveProperty('expiresAtMs');
    for (const ttlMs of [-1, 0.5, Number.NaN, 1e15])
      expect(await failure(bucket.put('k', 'v', { ttlMs }))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await failure(bucket.touch('session', 0))).toMatchObject({ code: 'BAD_REQUEST' });
    const atMs = Date.now() + LONG_MS;
    const { context } = await bucket.put('at', 'v', { expiresAtMs: atMs });
    expect((await bucket.get('at')).siblings).toMatchObject([{ expiresAtMs: atMs }]);
    expect(await bucket.touch('at', { expiresAtMs: atMs + 1 }, { ifMatch: context })).toBe(true);
    expect(await bucket.touch('at', { expiresAtMs: atMs + 2 }, { ifMatch: context })).toBe(false);
    expect(await bucket.persist('at', { ifMatch: context })).toBe(false);
    expect((await bucket.get('at')).siblings).toMatchObject([{ expiresAtMs: atMs + 1 }]);
    const over = (await bucket.put('over', 'v', { expiresAtMs: 1 })).context;
    expect((await bucket.get('over')).found).toBe(false);
    expect(await bucket.touch('over', LONG_MS, { ifMatch: over })).toBe(false);
    for (const expiresAtMs of [0, 1.5, 1e16])
      expect(await failure(bucket.put('k', 'v', { expiresAtMs }))).toMatchObject({ code: 'BAD_REQUEST' });
    const both = { ttlMs: 1, expiresAtMs: atMs };
    expect(await failure(bucket.put('k', 'v', both))).toMatchObject({ code: 'BAD_REQUEST' });
    await bucket.increment('counter');
    expect(await failure(bucket.touch('counter', 1_000))).toMatchObject({ code: 'BAD_REQUEST' });
  });
});

test('what expires while the store is closed is not returned afterwards, and leaves the files', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data });
  const putMs = Date.now();
  await first.put('short', 'v', { ttlMs: 400, w: 3 });
  await first.put('long', 'v', { ttlMs: LONG_MS, w: 3 });
  await first.close();
  await until('its time is over', () => Date.now() > putMs + 400);
  const again = await openSmall('lmdb', { data });
  expect((await again.get('short')).found).toBe(false);
  expect((await again.get('long')).found).toBe(true);
  // Some may have made a tombstone of it before they were closed: those are seen when it is reaped.
  await until('it has left the storage', () =>
    again.stats().vnodes.every(({ expired, tombstones, reaped }) => expired + tombstones + reaped >= 1),
  );
  expect((await again.get('short')).found).toBe(false);
});
