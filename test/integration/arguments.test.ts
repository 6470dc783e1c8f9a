import { Buffer } from 'node:buffer';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bucket } from '../../src/client/api.js';
import { connect, failure, freshBuckets, open, openSmall, restore, temporary } from './support.js';

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

  test('a lifetime without a time is refused, and does not make a value live for ever', async () => {
    const bucket = fresh();
    await bucket.put('k', 'v', { ttlMs: 600_000 });
    const { expiresAtMs } = (await bucket.get('k')).siblings[0]!;
    for (const lifetime of ANYTHING as never[]) {
      if (typeof lifetime === 'object') await refused(bucket, (b) => b.touch('k', lifetime));
      await refused(bucket, (b) => b.touch('k', { expiresAtMs: lifetime }));
    }
    expect((await bucket.get('k')).siblings).toMatchObject([{ expiresAtMs }]);
  });

  test('what a put returns is its context, and nothing else', async () => {
    const bucket = fresh();
    const put = await bucket.put('k', 'v');
    expect(Object.keys(put)).toEqual(['context']);
    expect(Object.keys(await bucket.delete('k'))).toEqual(['context']);
    expect(await bucket.increment('c', 3)).toBe(3);
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

  test('ring changes, backups and faults refuse what is no node, no path and no fault', async () => {
    const store = await openSmall('memory', { memoryMiB: 64, allowFaults: true });
    const { members, faults } = store;
    const drained = async (options: never): Promise<number> => all(store.backupStream(options));
    for (const one of ANYTHING as never[]) {
      const isObject = typeof one === 'object' && one !== null;
      const calls: (() => Promise<unknown>)[] = [
        () => members.planLeave(one),
        () => members.leave(one),
        () => members.planJoin({ node: 'n9', capacity: one }),
        () => members.rollBack({ abandon: one }),
        () => store.backup('/nowhere/to/be/found', { signal: one }),
        () => drained({ signal: one } as never),
      ];
      // The date, too: what is no request at all has no node.
      calls.push(
        () => members.join(one),
        () => members.planJoin(one),
      );
      if (!isObject)
        calls.push(
          () => members.rollBack(one),
          () => drained(one),
        );
      if (!Array.isArray(one)) calls.push(() => drained({ without: one } as never));
      if (one !== 'x') {
        calls.push(
          () => members.planJoin({ node: one }),
          () => store.backup(one),
        );
        calls.push(() => restore(one, { data: join(temporary(), 'data') }));
      }
      for (const call of calls) expect(await failure(call()), String(call)).toMatchObject(BAD);
      for (const fault of [one, { kind: one }, { kind: 'crash', at: one }])
        expect(() => faults.inject(fault as never)).toThrow(expect.objectContaining(BAD) as Error);
    }
    await store.close();
    expect(await failure(members.planJoin({ node: 'n9' }))).toMatchObject({ code: 'CLOSED' });
    expect(await failure(store.backup('x'))).toMatchObject({ code: 'CLOSED' });
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
