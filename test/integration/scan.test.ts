import { describe, expect, test } from 'vitest';
import type { Bucket as FullBucket, ScanItem, ScanOptions } from '../../src/client/api.js';
import { ENGINES, failure, freshBuckets, openSmall, PACE, text } from './support.js';

/** The store itself scans its default bucket. */
type Bucket = Pick<FullBucket, 'scan' | 'putMany'>;

async function collect(bucket: Bucket, options?: ScanOptions): Promise<ScanItem[]> {
  const items: ScanItem[] = [];
  for await (const item of bucket.scan(options)) items.push(item);
  return items;
}
const names = (items: readonly ScanItem[]): string[] => items.map(({ key }) => Buffer.from(key).toString());
const numbered = (count: number, prefix = 'key'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
const fill = (bucket: Bucket, keys: readonly string[]): Promise<unknown> =>
  bucket.putMany(keys.map((key) => ({ key, value: `of ${key}` })));

describe.each(ENGINES)('scan (%s)', (engine) => {
  const fresh = freshBuckets(engine, { partitions: 16 });

  test('every key exactly once with value and context, of this bucket only', async () => {
    const keys = numbered(3_000);
    const bucket = fresh();
    await fill(bucket, keys);
    await fill(fresh(), ['elsewhere']);
    const items = await collect(bucket);
    expect(names(items).toSorted()).toEqual(keys.toSorted());
    for (const { key, value, context } of items.slice(0, 50)) {
      expect(text(value)).toBe(`of ${Buffer.from(key).toString()}`);
      expect(String(context)).toBe(String((await bucket.get(key)).context));
    }
    expect(await collect(fresh())).toEqual([]);
  });

  test('nothing comes after the signal has fired or the store was closed, whatever of its page is at hand', async () => {
    const store = await openSmall(engine, { partitions: 1 });
    await fill(store, numbered(100));
    const controller = new AbortController();
    const aborted = store.scan({ signal: controller.signal });
    const closed = store.scan();
    for (const scan of [aborted, closed]) await scan.next();
    controller.abort();
    expect(await failure(aborted.next())).toMatchObject({ code: 'ABORTED' });
    await store.close();
    expect(await failure(closed.next())).toMatchObject({ code: 'CLOSED' });
  });

  test('prefixes find exactly the keys that begin so, also with bytes 0 and 255 and the longest keys', async () => {
    const store = await openSmall(engine, { partitions: 8 });
    const keys = [
      'a',
      'ab',
      'aba',
      'abb',
      'abz',
      'ac',
      'b',
      'ab\0',
      'ab\xff',
      `ab${'x'.repeat(1_898)}`,
      'aa\xff',
    ].map((key) => Buffer.from(key, 'latin1'));
    for (const key of keys) await store.put(key, 'v');
    expect(await collect(store, { prefix: 'a'.repeat(1_902), timeoutMs: 500 })).toEqual([]);
    for (const prefix of ['', 'a', 'ab', 'ab\0', 'ab\xff', 'abb', 'b', 'c', `ab${'x'.repeat(1_898)}`]) {
      const bytes = Buffer.from(prefix, 'latin1');
      const found = (await collect(store, { prefix: bytes })).map(({ key }) =>
        Buffer.from(key).toString('latin1'),
      );
      const wanted = keys.map((key) => key.toString('latin1')).filter((key) => key.startsWith(prefix));
      expect(found.toSorted(), JSON.stringify(prefix)).toEqual(wanted.toSorted());
    }
  });

  test.each([1, 7, 100, 999])('pages of %i by cursor join to everything, each key once', async (limit) => {
    const store = fresh();
    const keys = numbered(limit === 1 ? 60 : 1_500);
    await fill(store, keys);
    const seen: string[] = [];
    for (let cursor: string | undefined; ;) {
      const page = await collect(store, { limit, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.length).toBeLessThanOrEqual(limit);
      seen.push(...names(page));
      cursor = page.at(-1)?.cursor;
      if (page.length < limit) break;
    }
    expect(seen.toSorted()).toEqual(keys.toSorted());
  });

  test('a scan from an old cursor, and one by prefix, find what was put before they began', async () => {
    const store = await openSmall(engine, { partitions: 1 });
    await fill(store, ['a-1', 'a-3', 'a-5']);
    const [first] = await collect(store, { prefix: 'a-' });
    await fill(store, ['a-0', 'a-2', 'a-6']);
    const wanted = ['a-2', 'a-3', 'a-5', 'a-6'];
    expect(names(await collect(store, { cursor: first!.cursor }))).toEqual(wanted);
    await fill(store, ['a-4', 'b']);
    expect(names(await collect(store, { prefix: 'a-' }))).toEqual(numbered(7, 'a'));
  });

  test('a cursor of another bucket is refused, also by one that does not exist', async () => {
    const [one, other, none] = [fresh(), fresh(), fresh()];
    await fill(one, numbered(20));
    await fill(other, numbered(20));
    const [first] = await collect(one, { limit: 1 });
    for (const bucket of [other, none])
      expect(await failure(collect(bucket, { cursor: first!.cursor }))).toMatchObject({
        code: 'BAD_REQUEST',
        details: { bucket: bucket.name },
      });
    expect(await collect(one, { cursor: first!.cursor })).toHaveLength(19);
    // Seven bytes and the key.
    expect(Buffer.from(first!.cursor, 'base64url')).toHaveLength(7 + first!.key.length);
  });

  test('limit, cursor and prefix together; deleted keys are left out', async () => {
    const store = fresh();
    await fill(store, [...numbered(300, 'a'), ...numbered(300, 'b')]);
    await Promise.all(
      numbered(100, 'a').map(async (key) => store.delete(key, { context: (await store.get(key)).context! })),
    );
    const first = await collect(store, { prefix: 'a', limit: 50 });
    const rest = await collect(store, { prefix: 'a', cursor: first.at(-1)!.cursor });
    expect(names([...first, ...rest]).toSorted()).toEqual(numbered(300, 'a').slice(100).toSorted());
  });

  test('while others write, every key that exists throughout is met exactly once', async () => {
    const store = fresh();
    const stable = numbered(1_500, 'stable');
    await fill(store, stable);
    const others = { writing: true };
    const writers = Array.from({ length: 8 }, async (_, w) => {
      for (let i = 0; others.writing; i++) {
        await store.put(`new-${w}-${i}`, 'x');
        const key = stable[(i * 8 + w) % stable.length]!;
        const { context } = await store.get(key);
        await store.put(key, `of ${key}`, { context: context! });
        if (i % 2 === 0) await store.delete(`new-${w}-${i}`);
      }
    });
    for (let round = 0; round < 3; round++) {
      const seen = names(await collect(store));
      expect(new Set(seen).size, 'no key twice').toBe(seen.length);
      expect(seen.filter((key) => key.startsWith('stable')).toSorted()).toEqual(stable.toSorted());
    }
    others.writing = false;
    await Promise.all(writers);
  });

  test('what is out of range is refused: cursors of others, limits, timeouts; an abort ends it', async () => {
    const store = fresh();
    await fill(store, numbered(3_000));
    const { cursor } = (await collect(store, { limit: 1 }))[0]!;
    for (const forged of ['', 'x', `${cursor}!`, `B${cursor.slice(1)}`, '////']) {
      expect(await failure(collect(store, { cursor: forged })), forged).toMatchObject({
        code: 'BAD_REQUEST',
      });
    }
    for (const limit of [0, -1, 1.5, Number.NaN])
      expect(await failure(collect(store, { limit }))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await failure(collect(store, { timeoutMs: 0 }))).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await failure(collect(store, { signal: AbortSignal.abort() }))).toMatchObject({ code: 'ABORTED' });
    const controller = new AbortController();
    const scanned = (async () => {
      for await (const { key } of store.scan({ signal: controller.signal }))
        if (key.length > 0) controller.abort();
    })();
    expect(await failure(scanned)).toMatchObject({ code: 'ABORTED' });
  });
});

test('a signal ends a scan at once, also while the nodes do not answer', async () => {
  const store = await openSmall('memory', { memoryMiB: 64, partitions: 16, allowFaults: true });
  await fill(store, numbered(20));
  for (const at of ['n1', 'n2', 'n3']) store.faults.inject({ kind: 'hang', at, forMs: 2_000 });
  let answered = false;
  const get = store.get('never put', { r: 'all', timeoutMs: 60_000 }).then(() => (answered = true));
  const signal = AbortSignal.timeout(50);
  expect(await failure(collect(store, { signal }))).toMatchObject({ code: 'ABORTED', maybeApplied: false });
  expect(answered, 'they do not answer yet').toBe(false);
  await get;
});

test('a scan that goes on at another owner has that one bring to its engine what it has, too (lmdb, N=3, R=1)', async () => {
  const pace = { ...PACE, checkpointMs: 2 ** 40 };
  const store = await openSmall('lmdb', { partitions: 1, allowFaults: true }, { pace });
  const bucket = store.bucket('all', { n: 3, r: 1, w: 3 });
  const keys = numbered(2_500);
  await fill(bucket, keys);
  const [first] = store.ring().preferenceLists[0]!;
  const seen: string[] = [];
  for await (const { key } of bucket.scan()) {
    if (seen.push(Buffer.from(key).toString()) === 1)
      store.faults.inject({ kind: 'stop', at: first!, forMs: 120_000 });
  }
  expect(seen.toSorted()).toEqual(keys.toSorted());
});
