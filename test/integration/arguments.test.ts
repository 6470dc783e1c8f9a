import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { Bucket } from '../../src/client/api.js';
import { connect, failure, freshBuckets, open, openSmall } from './support.js';

/** Whatever somebody gives whom no compiler checks. */
const ANYTHING: readonly unknown[] = [
  null,
  0,
  -1,
  1.5,
  Number.NaN,
  2 ** 53,
  true,
  'x',
  '',
  10n,
  Symbol('s'),
  [],
  {},
  () => 1,
  Object.create(null),
  new Date(),
];
const NO_KEYS = [...ANYTHING.filter((one) => typeof one !== 'string'), undefined, ''];
const BAD = { code: 'BAD_REQUEST', retryable: false, maybeApplied: false };

async function all(iterable: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of iterable) count++;
  return count;
}

describe('arguments of the wrong type', () => {
  const fresh = freshBuckets('memory');

  /** Every call, whether the bucket exists or not. */
  async function refused(bucket: Bucket, call: (bucket: Bucket) => Promise<unknown>): Promise<void> {
    expect(await failure(call(bucket))).toMatchObject(BAD);
    expect(await failure(call(fresh()))).toMatchObject(BAD);
  }

  test('what is no key is refused by every call, also right after other keys were used', async () => {
    const bucket = fresh();
    await bucket.put(new Uint8Array([1, 2, 3]), 'x');
    for (const key of NO_KEYS as never[]) {
      await refused(bucket, (b) => b.get(key));
      await refused(bucket, (b) => b.put(key, 'v'));
      await refused(bucket, (b) => b.delete(key));
      await refused(bucket, (b) => b.increment(key));
      await refused(bucket, (b) => b.touch(key, 1_000));
      await refused(bucket, (b) => b.persist(key));
      await refused(bucket, (b) => b.getOrSet(key, () => 'v'));
      await refused(bucket, (b) => b.getMany(['k', key]));
      expect(await bucket.putMany([{ key, value: 'v' }])).toMatchObject([{ ok: false, error: BAD }]);
    }
    expect(await all(bucket.scan())).toBe(1);
  });

  test('two strings are never one key: half a surrogate pair is refused', async () => {
    const bucket = fresh();
    for (const key of ['\ud800', 'a\udfffb', `${'k'.repeat(100)}\ud83d`]) {
      await refused(bucket, (b) => b.put(key, 'v'));
      await refused(bucket, (b) => all(b.scan({ prefix: key })));
    }
    await bucket.put('\ud83d\ude00', 'v');
    expect((await bucket.get('😀')).found).toBe(true);
  });

  test('options, lists, prefixes, cursors and properties of a wrong type are refused', async () => {
    const bucket = fresh();
    await bucket.put('k', 'v');
    const isObject = (one: unknown): boolean => typeof one === 'object' && one !== null;
    for (const one of ANYTHING as never[]) {
      if (!isObject(one)) {
        await refused(bucket, (b) => b.get('k', one));
        await refused(bucket, (b) => b.put('k', 'v', one));
        await refused(bucket, (b) => b.delete('k', one));
        await refused(bucket, (b) => b.getMany(['k'], one));
        await refused(bucket, (b) => b.putMany([{ key: 'k', value: 'v' }], one));
        await refused(bucket, (b) => all(b.scan(one)));
        await refused(bucket, (b) => b.setProperties(one));
        expect(await bucket.putMany([one])).toMatchObject([{ ok: false, error: BAD }]);
      }
      if (!Array.isArray(one)) {
        await refused(bucket, (b) => b.getMany(one));
        await refused(bucket, (b) => b.putMany(one));
      }
      if (typeof one !== 'string') {
        await refused(bucket, (b) => all(b.scan({ prefix: one })));
        await refused(bucket, (b) => b.put('k', 'v', { contentType: one }));
        await refused(bucket, (b) => b.put('k', one));
        await refused(bucket, (b) => b.put('k', 'v', { durability: one }));
      }
      await refused(bucket, (b) => all(b.scan({ cursor: one })));
      await refused(bucket, (b) => b.put('k', 'v', { signal: one }));
      await refused(bucket, (b) => b.get('k', { signal: one }));
      await refused(bucket, (b) => all(b.scan({ signal: one })));
      await refused(bucket, (b) => b.getOrSet('k', () => 'v', { signal: one }));
      await refused(bucket, (b) => b.setProperties({ [String(Array.isArray(one))]: one }));
      if (typeof one !== 'boolean') {
        await refused(bucket, (b) => b.put('k', 'v', { ifAbsent: one }));
        await refused(bucket, (b) => b.get('k', { timeline: one }));
        await refused(bucket, (b) => b.get('k', { strict: one }));
      }
      expect(() => connect(one)).toThrow(expect.objectContaining(BAD) as Error);
    }
    expect(await bucket.get('k')).toMatchObject({ found: true, value: Buffer.from('v') });
  });

  test('a quorum that cannot be is refused before the bucket exists, and does not make it', async () => {
    const store = await openSmall('memory', { memoryMiB: 64 });
    const bucket = store.bucket('never-made');
    expect(await failure(bucket.put('k', 'v', { w: 4 }))).toMatchObject(BAD);
    expect(await failure(bucket.get('k', { r: 4 }))).toMatchObject(BAD);
    expect(await store.buckets()).toEqual([]);
  });

  test('bytes whose memory is gone are no value and no key', async () => {
    const bucket = fresh();
    const memory = new ArrayBuffer(8);
    const gone = new Uint8Array(memory);
    structuredClone(memory, { transfer: [memory] });
    await refused(bucket, (b) => b.put('k', gone));
    await refused(bucket, (b) => b.put(gone, 'v'));
    await bucket.put('k', new Uint8Array(0));
    expect((await bucket.get('k')).value).toHaveLength(0);
  });

  test('content types go into headers: only what may stand in one is taken', async () => {
    const bucket = fresh();
    for (const contentType of ['a\r\nb: c', 'text/ä', '\0', '→'])
      expect(await failure(bucket.put('k', 'v', { contentType }))).toMatchObject(BAD);
  });

  test('a resolver that returns no bytes is told so', async () => {
    const store = await openSmall('memory', { memoryMiB: 64, resolvers: { odd: () => 'text' as never } });
    const bucket = store.bucket('odd', { conflict: 'odd' });
    await bucket.put('k', '1');
    await bucket.put('k', '2');
    expect(await failure(bucket.get('k'))).toMatchObject({ ...BAD, details: { conflict: 'odd' } });
  });

  test('open() refuses options of the wrong type before it touches a file', async () => {
    for (const one of ANYTHING as never[]) {
      if (typeof one !== 'object' || one === null)
        if (one !== undefined) expect(await failure(open(one))).toMatchObject(BAD);
      if (one === null) continue;
      for (const option of ['n', 'r', 'w', 'partitions', 'nodes', 'memoryMiB', 'flushMs', 'maxCallers']) {
        expect(await failure(open({ engine: 'memory', [option]: one }))).toMatchObject(BAD);
      }
      for (const option of ['engine', 'durability', 'coordination', 'conflict'])
        expect(await failure(open({ engine: 'memory', [option]: one }))).toMatchObject(BAD);
    }
    for (const data of ['', 'a\0b', 5, {}] as never[])
      expect(await failure(open({ data }))).toMatchObject(BAD);
    expect(await failure(open({ resolvers: { x: 1 as never } }))).toMatchObject(BAD);
    expect(await failure(open({ allowFaults: 'yes' as never }))).toMatchObject(BAD);
  });

  test('after close() every call is refused with CLOSED', async () => {
    const store = await openSmall('memory', { memoryMiB: 64 });
    await store.put('k', 'v');
    await store.close();
    const calls = [
      store.get('k'),
      store.getMany([]),
      store.putMany([{ key: 'k', value: 'v' }]),
      store.properties(),
      store.touch('k', 1),
    ];
    for (const call of calls) expect(await failure(call)).toMatchObject({ code: 'CLOSED' });
  });
});
