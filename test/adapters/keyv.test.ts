import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createCache } from 'cache-manager';
import { Cacheable } from 'cacheable';
import fc from '../properties.js';
import { Keyv, type KeyvStoreAdapter } from 'keyv';
import { expect, test } from 'vitest';
import { failure, fixture, refusal, temporary, text, until } from '../integration/support.js';
import { KeyvRinglet, sharedStore } from './support.js';

const shared = sharedStore();
const LONG_MS = 600_000;

type Adapter = InstanceType<typeof KeyvRinglet>;
function adapter(bucket: string, namespace?: string): Adapter {
  const made = new KeyvRinglet({ store: shared.store, bucket });
  made.namespace = namespace;
  return made;
}

async function pairs(keyv: Keyv): Promise<[string, unknown][]> {
  const all: [string, unknown][] = [];
  for await (const pair of keyv.iterator!(keyv.namespace)) all.push(pair as [string, unknown]);
  return all.sort(([a], [b]) => (a < b ? -1 : 1));
}

test('namespaces do not see each other, also where the name of one begins like the key of another', async () => {
  const bucket = shared.fresh();
  const [outer, inner, plain] = ['a', 'a:b', undefined].map((namespace) => {
    return new Keyv(new KeyvRinglet({ store: shared.store, bucket }), { namespace: namespace! });
  }) as [Keyv, Keyv, Keyv];
  await outer.set('b:x', 'outer');
  await inner.set('x', 'inner');
  await plain.set('a:b:x', 'plain');
  expect(await outer.get('b:x')).toBe('outer');
  expect(await inner.get('x')).toBe('inner');
  expect(await plain.get('a:b:x')).toBe('plain');
  expect(await pairs(outer)).toEqual([['b:x', 'outer']]);
  await outer.clear();
  expect([await outer.get('b:x'), await inner.get('x'), await plain.get('a:b:x')]).toEqual([
    undefined,
    'inner',
    'plain',
  ]);
  await plain.clear();
  expect([await inner.get('x'), await plain.get('a:b:x')]).toEqual(['inner', undefined]);
});

test('times to live without an end, and such as are over, mean what they mean to a Keyv over a Map', async () => {
  const over = new Keyv({ store: adapter(shared.fresh()), throwOnErrors: true });
  const model = new Keyv({ store: new Map() });
  const ttls = [Number.POSITIVE_INFINITY, -1, -0.5, -LONG_MS, 0, 0.5 * LONG_MS];
  const seen = async (keyv: Keyv): Promise<unknown> => {
    for (const ttl of ttls) await keyv.set(`one ${ttl}`, 'v', ttl);
    await keyv.setMany(ttls.map((ttl) => ({ key: `many ${ttl}`, value: 'v', ttl })));
    return await keyv.getMany(ttls.flatMap((ttl) => [`one ${ttl}`, `many ${ttl}`]));
  };
  expect(await seen(over)).toEqual(await seen(model));
});

test('any two namespaces, and what Keyv makes of keys or not, are as apart as two maps', async () => {
  const word = fc.string({ unit: fc.constantFrom('a', ':', '%', '3', 'A', '=', 'ä'), maxLength: 4 });
  const bucket = shared.fresh();
  const entries = fc.uniqueArray(fc.tuple(word, word), { selector: String, minLength: 2, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(entries, async (names) => {
      const distinct = names.filter(
        ([namespace, key], i) => names.findIndex(([n, k]) => n === namespace && k === key) === i,
      );
      for (const [i, [namespace, key]] of distinct.entries()) {
        await adapter(bucket, namespace).set(key, String(i));
      }
      for (const [i, [namespace, key]] of distinct.entries()) {
        expect(await adapter(bucket, namespace).get(key)).toBe(String(i));
      }
      const [[cleared]] = distinct as [[string, string]];
      await adapter(bucket, cleared).clear();
      for (const [namespace, key] of distinct) {
        expect(await adapter(bucket, namespace).has(key)).toBe(namespace !== cleared);
      }
    }),
    { numRuns: 10 },
  );
});

test('an adapter that two Keyvs share refuses what it would do to the wrong one', async () => {
  const both = adapter(shared.fresh());
  const first = new Keyv({ store: both, namespace: 'first', throwOnErrors: true });
  await first.set('k', 1);
  const second = new Keyv({ store: both, namespace: 'second', throwOnErrors: true });
  await second.set('k', 2);
  expect(await second.get('k')).toBe(2);
  expect((await failure(first.get('k'))).message).toContain('this key belongs to namespace first');
  expect(await refusal(second.clear())).toEqual(['BAD_REQUEST', { namespace: 'second' }]);
  expect(await second.get('k')).toBe(2);
});

test('a time to live is the store’s: what expires is gone for everybody', async () => {
  const bucket = shared.fresh();
  const keyv = new Keyv({ store: adapter(bucket), namespace: 'ttl', ttl: LONG_MS });
  await keyv.set('default', 1);
  await keyv.set('short', 1, 1);
  await keyv.set('for ever', 1, 0);
  await keyv.setMany([
    { key: 'many', value: 1, ttl: LONG_MS / 2 },
    { key: 'many short', value: 1, ttl: 0.5 },
  ]);
  const stored = shared.store.bucket(bucket);
  const left = async (key: string): Promise<number | undefined> => {
    const expiresAtMs = (await stored.get(`ttl:ttl:${key}`)).siblings[0]!.expiresAtMs;
    return expiresAtMs && Math.round((expiresAtMs - Date.now()) / LONG_MS / 0.5);
  };
  expect([await left('default'), await left('for ever'), await left('many')]).toEqual([2, undefined, 1]);
  await until('both short ones have expired', async () => {
    return !(await stored.get('ttl:ttl:short')).found && !(await stored.get('ttl:ttl:many short')).found;
  });
  expect(await keyv.get(['default', 'short'])).toEqual([1, undefined]);
  expect(await refusal(adapter(bucket).set('k', 'v', Number.NaN))).toMatchObject(['BAD_REQUEST', {}]);
});

test('many at once say which of them were there', async () => {
  const keyv = new Keyv({ store: adapter(shared.fresh()) });
  const entries = Array.from({ length: 600 }, (_, i) => ({ key: `k${i}`, value: i }));
  expect(await keyv.setMany(entries)).toEqual(entries.map(() => true));
  expect(await keyv.getMany(entries.map(({ key }) => key))).toEqual(entries.map(({ value }) => value));
  expect(await keyv.hasMany(['k0', 'none', 'k599'])).toEqual([true, false, true]);
  expect(await keyv.deleteMany(['none', 'k0'])).toBe(true);
  expect(await keyv.deleteMany(['none', 'k0'])).toBe(false);
  expect(await pairs(keyv)).toHaveLength(599);
});

test('without a serializer, strings and bytes come back as they were, and nothing else is taken', async () => {
  const keyv = new Keyv({ store: adapter(shared.fresh()), throwOnErrors: true });
  const direct = adapter(shared.fresh());
  await direct.set('text', 'ä');
  await direct.set('bytes', Uint8Array.of(0, 255));
  expect(await direct.getMany<unknown>(['text', 'bytes'])).toEqual(['ä', Buffer.of(0, 255)]);
  keyv.serialize = undefined;
  expect(await refusal(keyv.set('k', { v: 1 }))).toEqual(['BAD_REQUEST', { type: 'object' }]);
});

test('a key that is too long is refused with a code, once, by each method', async () => {
  const keyv = new Keyv({ store: adapter(shared.fresh()), namespace: 'n' });
  const codes: string[] = [];
  keyv.on('error', ({ code }: { code: string }) => codes.push(code));
  const fits = 'k'.repeat(1_900 - 4);
  expect(await keyv.set(fits, 1)).toBe(true);
  expect(await keyv.get(fits)).toBe(1);
  expect(await keyv.set(`${fits}k`, 1)).toBe(false);
  expect(await keyv.get(`${fits}k`)).toBeUndefined();
  expect(
    await keyv.setMany([
      { key: 'a', value: 1 },
      { key: `${fits}k`, value: 1 },
    ]),
  ).toEqual([true, false]);
  expect(await keyv.delete(`${fits}k`)).toBe(false);
  expect(codes).toEqual(Array(4).fill('KEY_TOO_LARGE'));
  expect((await failure(keyv.has(`${fits}k`))).code).toBe('KEY_TOO_LARGE');
});

test('buckets that keep siblings are refused, and targets that are none', async () => {
  const bucket = shared.fresh();
  await shared.store.bucket(bucket, { conflict: 'siblings' }).put('k', 'v');
  expect((await failure(adapter(bucket).get('k'))).code).toBe('BUCKET_MISMATCH');
  const given = new KeyvRinglet({ bucket: shared.store.bucket(bucket) });
  expect(await refusal(given.set('k', 'v'))).toEqual(['BAD_REQUEST', { bucket, conflict: 'siblings' }]);
  const own = new KeyvRinglet({ bucket: shared.store.bucket(shared.fresh(), { conflict: 'lww', n: 1 }) });
  await own.set('k', 'v');
  expect(await own.get('k')).toBe('v');
  for (const wrong of [undefined, 'redis://', {}, { store: undefined }, { open: 1 }]) {
    expect(() => new KeyvRinglet(wrong as never)).toThrow(/an adapter takes/);
  }
  const misspelt = { store: shared.store, buket: bucket };
  expect(() => new KeyvRinglet(misspelt)).toThrow(
    'an adapter takes no "buket", expected one of store, bucket, open',
  );
});

test('opens a store of its own at the first use, tries again after a failure, and closes it', async () => {
  const data = join(temporary(), 'data');
  const options = { data, nodes: 1, memoryMiB: 32, partitions: 4 };
  const one = new Keyv({ store: new KeyvRinglet({ open: options }), throwOnErrors: true });
  const two = new Keyv({ store: new KeyvRinglet({ open: options }), throwOnErrors: true });
  await one.set('k', 'v');
  expect((await failure(two.get('k'))).code).toBe('DATA_LOCKED');
  await one.disconnect();
  expect((await failure(one.get('k'))).code).toBe('CLOSED');
  expect(await two.get('k')).toBe('v');
  await two.disconnect();
  const unused = new KeyvRinglet({ open: options });
  await unused.disconnect();
  expect((await failure(unused.get('k'))).code).toBe('CLOSED');
});

test('another thread shares the cache by a handle', async () => {
  const bucket = shared.fresh();
  const keyv = new Keyv({ store: adapter(bucket), namespace: 'threads' });
  await keyv.set('from-main', { n: 1 });
  const handle = shared.store.handle();
  const worker = new Worker(fixture('../../adapters/fixtures/keyv-worker'), {
    workerData: { handle, bucket },
    transferList: [...handle.transferList],
  });
  const code = await new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', resolve);
  });
  expect(code).toBe(0);
  expect(await keyv.get('from-worker')).toEqual({ n: 2 });
});

test('under cache-manager', async () => {
  const bucket = shared.fresh();
  const cache = createCache({ stores: [new Keyv({ store: adapter(bucket), namespace: 'cache' })] });
  let loaded = 0;
  const load = async (): Promise<{ n: number }> => ({ n: ++loaded });
  expect(await cache.wrap('k', load, LONG_MS)).toEqual({ n: 1 });
  expect(await cache.wrap('k', load, LONG_MS)).toEqual({ n: 1 });
  expect(await cache.ttl('k')).toBeGreaterThan(Date.now() + LONG_MS / 2);
  await cache.mset([
    { key: 'x', value: 1 },
    { key: 'y', value: 2 },
  ]);
  expect(await cache.mget(['x', 'y', 'z'])).toEqual([1, 2, undefined]);
  await cache.mdel(['x']);
  await cache.del('k');
  expect(await cache.mget(['k', 'x', 'y'])).toEqual([undefined, undefined, 2]);
  await cache.clear();
  expect(await cache.get('y')).toBeUndefined();
  expect(text((await shared.store.bucket(bucket).get('cache:cache:y')).value)).toBeUndefined();
  await cache.disconnect();
});

test('under cacheable, as the second layer that several of them share', async () => {
  const bucket = shared.fresh();
  const secondary: KeyvStoreAdapter = adapter(bucket);
  const one = new Cacheable({ secondary });
  const two = new Cacheable({ secondary: new Keyv({ store: adapter(bucket) }) });
  expect(await one.set('k', { n: 1 }, LONG_MS)).toBe(true);
  expect(await two.get('k')).toEqual({ n: 1 });
  await one.setMany([
    { key: 'a', value: 1 },
    { key: 'b', value: 2, ttl: '10m' },
  ]);
  expect(await two.getMany(['a', 'b', 'c'])).toEqual([1, 2, undefined]);
  let loaded = 0;
  const square = two.wrap(async (n: number) => (loaded++, n * n), { ttl: '1h', keyPrefix: 'square' });
  expect([await square(3), await square(3), loaded]).toEqual([9, 9, 1]);
  await one.delete('a');
  const three = new Cacheable({ secondary: new Keyv({ store: adapter(bucket) }) });
  expect(await three.getMany(['a', 'b'])).toEqual([undefined, 2]);
  await three.clear();
  expect(await one.secondary!.get('b')).toBeUndefined();
  await Promise.all([one, two, three].map((cache) => cache.disconnect()));
});
