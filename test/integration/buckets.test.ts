import { describe, expect, test } from 'vitest';
import type { Sibling } from '../../src/client/api.js';
import { ENGINES, failure, openSmall, text, texts, until } from './support.js';

const union = (siblings: readonly Sibling[]): Uint8Array =>
  Buffer.from(
    [...new Set(siblings.flatMap(({ value }) => Buffer.from(value).toString().split(',')))]
      .toSorted()
      .join(','),
  );

describe.each(ENGINES)('buckets (%s)', (engine) => {
  test('the same key in two buckets is two keys; names have 1 to 64 of the allowed characters', async () => {
    const store = await openSmall(engine);
    const names = ['a', 'A', '.', '..', '-', '__proto__', 'constructor', 'x'.repeat(64)];
    for (const name of names) await store.bucket(name).put('k', name);
    for (const name of names) expect(text((await store.bucket(name).get('k')).value)).toBe(name);
    expect((await store.get('k')).found).toBe(false);
    expect((await store.buckets()).map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    for (const bad of ['', 'x'.repeat(65), 'a b', 'ä', 'a/b', 'a\n', 7 as never]) {
      expect(() => store.bucket(bad)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error);
    }
  });

  test('properties: defaults, own ones, a majority for another n; n and rule never change', async () => {
    const store = await openSmall(engine, { nodes: 5 });
    expect(await store.properties()).toEqual({
      n: 3,
      r: 2,
      w: 2,
      durability: 'buffered',
      conflict: 'siblings',
      strict: false,
    });
    expect(await store.bucket('one', { n: 1 }).properties()).toMatchObject({ n: 1, r: 1, w: 1 });
    expect(await store.bucket('five', { n: 5, w: 5 }).properties()).toMatchObject({ n: 5, r: 3, w: 5 });
    for (const bad of [
      { n: 0 },
      { n: 6 },
      { n: 1.5 },
      { r: 4 },
      { w: 0 },
      { n: 2, r: 3 },
      { durability: 'x' as never },
      { conflict: 'unknown' },
    ]) {
      expect(() => store.bucket('bad', bad)).toThrow(
        expect.objectContaining({ code: 'BAD_REQUEST' }) as Error,
      );
    }
    await store.bucket('one', { n: 1 }).put('k', 'v');
    expect(await failure(store.bucket('one', { n: 2 }).get('k'))).toMatchObject({
      code: 'BUCKET_MISMATCH',
      details: { bucket: 'one', property: 'n', got: 1, asked: 2 },
    });
    expect(await failure(store.bucket('one', { conflict: 'lww' }).put('k', 'x'))).toMatchObject({
      code: 'BUCKET_MISMATCH',
    });
    expect(await failure(store.bucket('one', {}).setProperties({ n: 2 }))).toMatchObject({
      code: expect.stringMatching(/BUCKET_MISMATCH|BAD_REQUEST/) as string,
    });
    const five = store.bucket('five', { n: 5, w: 5 });
    await five.setProperties({ r: 1, w: 2 });
    expect(await five.properties()).toEqual(await store.bucket('five').properties());
    expect(await five.properties()).toMatchObject({ n: 5, r: 1, w: 2 });
    await store.bucket('five').put('k', 'v');
    expect(await failure(store.bucket('five').put('k', 'v', { w: 6 }))).toMatchObject({
      code: 'BAD_REQUEST',
      details: { most: 5 },
    });
    expect(await failure(store.bucket('one', {}).get('k', { r: 2 }))).toMatchObject({
      code: 'BAD_REQUEST',
      details: { most: 1 },
    });
  });

  test('what is wanted of a bucket that was created otherwise holds for the requests of whoever wants it', async () => {
    const store = await openSmall(engine);
    const plain = store.bucket('b');
    await plain.put('k', 'v');
    const stored = await plain.properties();
    const wants = { r: 3, w: 1, strict: true, ttlMs: 60_000 } as const;
    const own = store.bucket('b', wants);
    expect(await own.properties()).toEqual({ ...stored, ...wants });
    expect(await plain.properties()).toEqual(stored);
    const asked = async (bucket: typeof own, options: object): Promise<number> => {
      const { timeline = [] } = await bucket.get('k', { timeline: true, ...options });
      return new Set(timeline.flatMap(({ vnode }) => vnode ?? [])).size;
    };
    expect([await asked(own, {}), await asked(own, { r: 1 }), await asked(plain, {})]).toEqual([3, 1, 2]);
    await own.put('expires', 'v');
    await plain.put('stays', 'v');
    expect((await plain.get('expires')).siblings[0]!.expiresAtMs).toBeGreaterThan(Date.now());
    expect((await own.get('stays')).siblings[0]!.expiresAtMs).toBeUndefined();

    // More than it can have is an error of each request, and no smaller quorum.
    await store.bucket('one', { n: 1 }).put('k', 'v');
    const tooMuch = store.bucket('one', { w: 2 });
    expect(await failure(tooMuch.put('k', 'v'))).toMatchObject({
      code: 'BAD_REQUEST',
      details: { what: 'w', got: 2, most: 1 },
    });

    // To set them is to keep them, and nothing that was not asked for.
    await plain.setProperties({ r: 1 });
    const three = store.bucket('b', { n: 3, ttlMs: 5_000 });
    expect(await three.setProperties({ w: 3 })).toEqual({ ...stored, r: 1, w: 3, ttlMs: 5_000 });
    expect(await three.properties()).toEqual(await plain.properties());
    await plain.setProperties({ ttlMs: 0 });
    expect((await three.properties()).ttlMs).toBe(0);
  });

  test('the memory engine refuses every durability that needs a disk, the lmdb engine takes all', async () => {
    const store = await openSmall(engine);
    for (const durability of ['committed', 'durable'] as const) {
      const put = store.put('k', durability, { durability });
      if (engine === 'memory')
        expect(await failure(put)).toMatchObject({ code: 'BAD_REQUEST', details: { durability, engine } });
      else await put;
    }
  });

  test('with w = r = all every put is there, for n = 1 to 4, in every engine', async () => {
    const store = await openSmall(engine, { nodes: 4 });
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const copies = (): number => store.stats().vnodes.reduce((sum, vnode) => sum + vnode.keys, 0);
    for (const n of [1, 2, 3, 4]) {
      const before = copies();
      const bucket = store.bucket(`b${n}`, { n, r: n, w: n });
      const put = await bucket.putMany(keys.map((key) => ({ key, value: key })));
      expect(put.every(({ ok }) => ok)).toBe(true);
      const got = await bucket.getMany(keys);
      expect(got.map(({ value, degraded }) => [text(value), degraded])).toEqual(
        keys.map((key) => [key, false]),
      );
      await until('every copy is counted', () => copies() - before === 200 * n);
    }
  });

  test('a deletion makes no bucket: there is nothing to delete, and the context that it returns has seen as much', async () => {
    const store = await openSmall(engine);
    const bucket = store.bucket('mistyped');
    const { context, timeline } = await bucket.delete('k', { timeline: true });
    expect(timeline).toEqual([]);
    expect(await failure(bucket.delete('', {}))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await failure(bucket.delete('k', { w: 4 }))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await store.buckets()).toEqual([]);
    const put = await bucket.put('k', 'v', { context: context.toString() });
    await bucket.delete('k', { context });
    expect(texts(await bucket.get('k', { r: 'all' }))).toEqual(['v']);
    // What a context has seen stays seen.
    const again = await store.bucket('another').delete('k', { context: put.context });
    expect(again.context.toString()).toBe(put.context.toString());
    expect((await store.buckets()).map(({ name }) => name)).toEqual(['mistyped']);
  });

  test('in an lww bucket the last of many writers remains, without siblings', async () => {
    const store = await openSmall(engine);
    const bucket = store.bucket('lww', { conflict: 'lww' });
    await Promise.all(Array.from({ length: 100 }, (_, i) => bucket.put('k', `v${i}`)));
    expect((await bucket.get('k', { r: 'all' })).siblings).toHaveLength(1);
    await bucket.put('k', 'last');
    expect(texts(await bucket.get('k', { r: 'all' }))).toEqual(['last']);
    await bucket.delete('k');
    expect((await bucket.get('k')).found).toBe(false);
  });

  test('a resolver by name merges siblings for the reader, and the put that follows keeps the merge', async () => {
    const store = await openSmall(engine, { resolvers: { union } });
    const bucket = store.bucket('sets', { conflict: 'union' });
    await Promise.all(['a', 'b', 'c'].map((value) => bucket.put('k', value)));
    const merged = await bucket.get('k', { r: 'all' });
    expect([text(merged.value), merged.siblings.length]).toEqual(['a,b,c', 1]);
    await bucket.put('k', merged.value!, { context: merged.context! });
    await bucket.put('k', 'd');
    expect(text((await bucket.get('k')).value)).toBe('a,b,c,d');
    expect(() => store.bucket('no', { conflict: 'missing' })).toThrow(/open\(\{ resolvers \}\)/);
  });
});
