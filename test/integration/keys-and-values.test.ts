import { describe, expect, test } from 'vitest';
import type { Resolver } from '../../src/client/api.js';
import { ENGINES, failure, freshBuckets, openSmall, refusal, text, texts } from './support.js';

const MIB = 1 << 20;

describe.each(ENGINES)('keys and values (%s)', (engine) => {
  const fresh = freshBuckets(engine);

  test('a miss never throws, has no context, and a put makes it a hit', async () => {
    const store = fresh();
    expect(await store.get('k')).toEqual({ found: false, siblings: [], degraded: false });
    await store.put('other', 'x');
    expect(await store.get('k')).toEqual({ found: false, siblings: [], degraded: false });
    const { context } = await store.put('k', 'v');
    const got = await store.get('k');
    expect([got.found, text(got.value), got.degraded]).toEqual([true, 'v', false]);
    expect(String(got.context)).toBe(String(context));
    expect(got.siblings).toHaveLength(1);
    expect(got.siblings[0]!.contentType).toBe('text/plain;charset=utf-8');
    expect(Math.abs(got.siblings[0]!.modifiedAtMs - Date.now())).toBeLessThan(10_000);
  });

  test('keys of any bytes and names are distinct and come back: strings, unicode, __proto__, non-UTF-8', async () => {
    const store = fresh();
    const keys: (string | Uint8Array)[] = [
      '__proto__',
      'constructor',
      'toString',
      'Zürich',
      '🦀',
      'a',
      'A',
      'a\0',
      'a\0\0',
      ' ',
      '../x',
      'ä'.repeat(40),
      Uint8Array.of(0),
      Uint8Array.of(0, 0),
      Uint8Array.of(0xff, 0xfe),
      Uint8Array.of(0xc3),
      new Uint8Array(1_900).fill(0xff),
    ];
    for (const [i, key] of keys.entries()) await store.put(key, `value ${i}`, { contentType: '' });
    for (const [i, key] of keys.entries()) {
      const bytes = typeof key === 'string' ? Buffer.from(key) : key;
      expect(text((await store.get(key)).value), String(key)).toBe(`value ${i}`);
      expect(text((await store.get(bytes)).value), 'as bytes').toBe(`value ${i}`);
    }
    const names = new Set<string>();
    for await (const { key } of store.scan()) names.add(Buffer.from(key).toString('hex'));
    expect(names).toEqual(new Set(keys.map((key) => Buffer.from(key as string).toString('hex'))));
  });

  test('values of 0 bytes to 1 MiB come back byte by byte with their content type', async () => {
    const store = fresh();
    for (const bytes of [0, 1, 7, 4_096, 32_767, 32_768, 131_072, MIB - 1, MIB]) {
      const value = Buffer.alloc(bytes, 'ringlet ');
      const contentType = `application/x-${bytes}`;
      await store.put(`k${bytes}`, value, { contentType });
      const got = await store.get(`k${bytes}`);
      expect(got.siblings[0]!.contentType).toBe(contentType);
      expect(Buffer.compare(got.value!, value), `${bytes} bytes`).toBe(0);
    }
  });

  test.each([{}, { directReads: false }, { coordination: 'server' }] as const)(
    'a value is a Buffer however it is read, and a key too, so that its text is toString() (%j)',
    async (options) => {
      const keys: unknown[] = [];
      const join: Resolver = (siblings, key) => {
        keys.push(key);
        return new Uint8Array(Buffer.concat(siblings.map(({ value }) => value)));
      };
      const store = await openSmall(engine, { ...options, resolvers: { join } });
      const joined = store.bucket('joined', { conflict: 'join' });
      for (const bucket of [store, joined]) {
        await bucket.put('k', 'text');
        if (bucket === joined) await bucket.put('k', 'text');
      }
      await store.increment('c', 5);
      const seen = [
        await store.get('k'),
        await store.get('k', { timeline: true }),
        await store.get('c'),
        await joined.get('k'),
        await store.getOrSet('k', () => 'none'),
        await store.getOrSet('loaded text', () => 'loaded'),
        await store.getOrSet('loaded bytes', () => new Uint8Array([0x61])),
      ];
      for await (const item of store.scan()) {
        keys.push(item.key);
        seen.push({ ...item, found: true, degraded: false });
      }
      expect(keys.map(String).toSorted()).toEqual(['c', 'k', 'k', 'loaded bytes', 'loaded text']);
      expect(seen.length).toBeGreaterThan(8);
      const texts = seen.map(({ value }) => String(value));
      expect(texts.slice(0, 7)).toEqual(['text', 'text', '5', 'texttext', 'text', 'loaded', 'a']);
      for (const { value, siblings } of seen)
        expect([value, ...siblings.map((one) => one.value)].every((one) => Buffer.isBuffer(one))).toBe(true);
    },
  );

  test('the caller may change the bytes of a key once put or get has returned its promise', async () => {
    const store = fresh();
    const key = Buffer.from('key-1');
    const put = store.put(key, 'v');
    key.write('key-2');
    await put;
    key.write('key-1');
    const get = store.get(key, { timeline: true });
    key.write('key-2');
    expect([text((await get).value), (await store.get('key-2')).found]).toEqual(['v', false]);
  });

  test('what is out of range is refused with code and numbers before anything is sent', async () => {
    const store = await openSmall(engine);
    const coordinated = (): number => store.stats().vnodes.reduce((sum, vnode) => sum + vnode.coordinated, 0);
    await store.put('first', 'x');
    const before = coordinated();
    const tooLarge = ['KEY_TOO_LARGE', { keyBytes: 1_901, limit: 1_900 }];
    expect(await refusal(store.put('k'.repeat(1_901), 'x'))).toEqual(tooLarge);
    expect(await refusal(store.get(new Uint8Array(1_901)))).toEqual(tooLarge);
    expect(await refusal(store.get('ä'.repeat(951)))).toEqual([
      'KEY_TOO_LARGE',
      { keyBytes: 1_902, limit: 1_900 },
    ]);
    for (const empty of ['', new Uint8Array(0)]) {
      expect(await refusal(store.get(empty))).toEqual(['BAD_REQUEST', { keyBytes: 0 }]);
      expect(await refusal(store.put(empty, 'x'))).toEqual(['BAD_REQUEST', { keyBytes: 0 }]);
    }
    expect(await refusal(store.get(7 as never))).toEqual(['BAD_REQUEST', { type: 'number' }]);
    expect(await refusal(store.put('k', {} as never))).toEqual(['BAD_REQUEST', { type: 'object' }]);
    expect(await refusal(store.put('k', new Uint8Array(MIB + 1)))).toEqual([
      'VALUE_TOO_LARGE',
      { valueBytes: MIB + 1, limit: MIB },
    ]);
    expect(await refusal(store.put('k', 'x', { contentType: `x/${'x'.repeat(254)}` }))).toEqual([
      'BAD_REQUEST',
      { contentTypeBytes: 256, limit: 255 },
    ]);
    for (const timeoutMs of [0, -1, 0.5, 600_001, Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const request of [store.get('k', { timeoutMs }), store.put('k', 'x', { timeoutMs })]) {
        expect(await failure(request)).toMatchObject({
          code: 'BAD_REQUEST',
          details: { least: 1, most: 600_000 },
        });
      }
    }
    for (const w of [0, 4, 1.5, Number.NaN, 'most' as never]) {
      expect(await failure(store.put('k', 'x', { w }))).toMatchObject({
        code: 'BAD_REQUEST',
        details: { least: 1, most: 3 },
      });
      expect(await failure(store.get('k', { r: w }))).toMatchObject({
        code: 'BAD_REQUEST',
        details: { least: 1, most: 3 },
      });
    }
    expect(await failure(store.put('k', 'x', { durability: 'fsync' as never }))).toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect((await store.get('k')).context).toBeUndefined();
    expect(coordinated()).toBe(before);
    // The longest of everything is taken.
    const contentType = `x/${'x'.repeat(253)}`;
    await store.put('k'.repeat(1_900), 'x', { contentType, w: 'all', timeoutMs: 600_000 });
    expect((await store.get('k'.repeat(1_900), { r: 'all' })).siblings[0]!.contentType).toBe(contentType);
  });

  test('100 siblings are kept, the next is refused, and a put with the context resolves them', async () => {
    const store = fresh();
    const all = Array.from({ length: 100 }, (_, i) => `v${i}`);
    // Whoever takes the next one knows them all.
    await Promise.all(all.map((value) => store.put('k', value, { w: 'all' })));
    expect(await refusal(store.put('k', 'one too many'))).toEqual([
      'TOO_MANY_SIBLINGS',
      { siblings: 101, limit: 100 },
    ]);
    const got = await store.get('k', { r: 'all' });
    expect(texts(got)).toEqual(all.toSorted());
    expect([got.found, got.value]).toEqual([true, undefined]);
    await store.put('k', 'resolved', { context: got.context! });
    expect(texts(await store.get('k'))).toEqual(['resolved']);
  });

  test('siblings together hold at most about two of the largest values', async () => {
    const store = await openSmall(engine, { valueBytes: 100_000 });
    const value = new Uint8Array(100_000);
    await store.put('k', value, { w: 'all' });
    await store.put('k', value, { w: 'all' });
    const { code, details } = await failure(store.put('k', value));
    expect([code, Number(details['bytes']) > Number(details['limit'])]).toEqual(['TOO_MANY_SIBLINGS', true]);
    expect((await store.get('k')).siblings).toHaveLength(2);
  });

  test('a tombstone has a context, and what was deleted can be put again', async () => {
    const store = fresh();
    const { context } = await store.put('k', 'v');
    await store.delete('k', { context });
    const gone = await store.get('k', { r: 'all' });
    expect([gone.found, gone.value, gone.siblings]).toEqual([false, undefined, []]);
    expect(String(gone.context)).not.toBe(String(context));
    await store.put('k', 'again', { context: gone.context! });
    expect(texts(await store.get('k'))).toEqual(['again']);
    const keys: string[] = [];
    await store.delete('never');
    for await (const { key } of store.scan()) keys.push(Buffer.from(key).toString());
    expect(keys).toEqual(['k']);
  });

  test('increments by many at once add up, in any bucket, and refuse what is no counter', async () => {
    const store = fresh();
    await Promise.all(Array.from({ length: 200 }, (_, i) => store.increment('c', i % 2 === 0 ? 3 : -1)));
    // Not what an increment returns, which is the sum that its coordinator knows: on a busy machine that may be a new one.
    expect(text((await store.get('c', { r: 'all' })).value)).toBe('200');
    expect(await store.increment('d')).toBe(1);
    await store.put('plain', 'x');
    expect(await failure(store.increment('plain'))).toMatchObject({ code: 'NOT_A_COUNTER' });
    for (const by of [0.5, Number.NaN, 2 ** 53])
      expect(await failure(store.increment('c', by))).toMatchObject({ code: 'BAD_REQUEST' });
    await store.increment('big', Number.MAX_SAFE_INTEGER);
    expect(await failure(store.increment('big', 1))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(text((await store.get('big')).value)).toBe(String(Number.MAX_SAFE_INTEGER));
  });

  test('a counter begins anew where there was a value or a counter that is deleted', async () => {
    const store = fresh();
    await store.put('value', 'x');
    await store.increment('counter', 5);
    for (const key of ['value', 'counter', 'never-written']) {
      const { context } = await store.get(key, { r: 'all' });
      await store.delete(key, { w: 'all', ...(context === undefined ? {} : { context }) });
      expect(await store.increment(key, 2, { w: 'all' })).toBe(2);
      expect(await store.increment(key, 1)).toBe(3);
      expect(text((await store.get(key, { r: 'all' })).value)).toBe('3');
    }
    await store.put('over', 'x', { ttlMs: 1 });
    await expect.poll(async () => (await store.get('over')).found, { interval: 2 }).toBe(false);
    expect(await store.increment('over', 4)).toBe(4);
  });

  test('getMany and putMany answer in order, and one bad entry does not harm the others', async () => {
    const store = fresh();
    const keys = Array.from({ length: 1_000 }, (_, i) => `many-${i}`);
    const outcomes = await store.putMany([
      ...keys.map((key) => ({ key, value: `of ${key}`, contentType: 'a/b' })),
      { key: '', value: 'x' },
    ]);
    expect(outcomes.slice(0, 1_000).every(({ ok }) => ok)).toBe(true);
    expect(outcomes[1_000]).toMatchObject({
      ok: false,
      error: { code: 'BAD_REQUEST', details: { keyBytes: 0 } },
    });
    const got = await store.getMany([...keys, 'absent']);
    expect(got.map(({ value }) => text(value))).toEqual([...keys.map((key) => `of ${key}`), undefined]);
    expect(await store.getMany([])).toEqual([]);
  });
});

test.each(ENGINES)(
  'putMany of long values on a store at rest is refused none of them (%s)',
  async (engine) => {
    const store = await openSmall(engine, { nodes: 3, memoryMiB: 600 });
    const entries = Array.from({ length: 64 }, (_, i) => ({
      key: `k${i}`,
      value: i % 9 === 8 ? `small ${i}` : Buffer.alloc(MIB, `long ${i}`),
    }));
    const outcomes = await store.putMany(entries, { timeoutMs: 60_000 });
    expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
    expect(Buffer.compare((await store.get('k63')).value!, Buffer.alloc(MIB, 'long 63'))).toBe(0);
  },
);

test('a value longer than what may wait for a virtual node is on its way, and small puts are not refused', async () => {
  const store = await openSmall('memory', { valueBytes: 16 * MIB, memoryMiB: 600 });
  const value = Buffer.alloc(12 * MIB, 'long');
  for (let round = 0; round < 3; round++) {
    const long = store.put(`long${round}`, value, { timeoutMs: 60_000 });
    const small = Array.from({ length: 100 }, (_, i) => store.put(`k${i}`, 'small', { timeoutMs: 60_000 }));
    await Promise.all([long, ...small]);
  }
  const got = await store.get('long2', { timeoutMs: 60_000 });
  expect(Buffer.compare(got.value as Uint8Array, value)).toBe(0);
});
