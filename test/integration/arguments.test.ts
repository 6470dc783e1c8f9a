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

  test('text in the place of a number is told with its quotes: "4" is not 4', async () => {
    const message = expect.stringMatching(/not "4"$/);
    expect(await failure(open({ engine: 'memory', nodes: '4' as never }))).toMatchObject({ ...BAD, message });
    const put = fresh().put('k', 'v', { ttlMs: '4' as never });
    expect(await failure(put)).toMatchObject({ ...BAD, message });
  });

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

  test('a misspelt option is refused by every call, with those that there are, and never ignored', async () => {
    const misspelt = { durabilty: 'durable' } as never;
    const inherited = Object.create(misspelt) as never;
    const calls: ((bucket: Bucket, options: never) => Promise<unknown>)[] = [
      (b, options) => b.get('k', options),
      (b, options) => b.put('k', 'v', options),
      (b, options) => b.delete('k', options),
      (b, options) => b.increment('c', 1, options),
      (b, options) => b.touch('k', 1_000, options),
      (b, options) => b.touch('k', { expiresAtMs: 1 }, options),
      (b, options) => b.persist('k', options),
      (b, options) => b.getOrSet('k', () => 'v', options),
      (b, options) => b.getMany([], options),
      (b, options) => b.putMany([], options),
      (b, options) => all(b.scan(options)),
      (b, options) => b.setProperties(options),
    ];
    const bucket = fresh();
    await bucket.put('k', 'v');
    for (const call of calls) {
      for (const options of [misspelt, inherited]) {
        if (options === inherited && call === calls.at(-1)) continue;
        await refused(bucket, (b) => call(b, options));
        const { message, details } = await failure(call(bucket, options));
        expect(details['got'], String(call)).toBe('durabilty');
        const [, known = ''] = /expected one of (.*)/.exec(message) ?? [];
        expect(details['expected']).toBe(known);
        expect(known.split(', ').length, message).toBeGreaterThan(4);
        expect(known).not.toContain('together');
      }
    }
    expect(await bucket.get('k')).toMatchObject({ found: true, siblings: [{ value: Buffer.from('v') }] });
  });

  test('an option that another call has is none of this one', async () => {
    const bucket = fresh();
    await bucket.put('k', 'v');
    const nones: ((bucket: Bucket) => Promise<unknown>)[] = [
      (b) => b.get('k', { w: 1 } as never),
      (b) => b.put('k', 'v', { r: 1 } as never),
      (b) => b.delete('k', { ttlMs: 1_000 } as never),
      (b) => b.delete('k', { expiresAtMs: Date.now() + 60_000 } as never),
      (b) => b.delete('k', { ifAbsent: true } as never),
      (b) => b.increment('c', 1, { ttlMs: 1_000 } as never),
      (b) => b.increment('c', 1, { timeline: true } as never),
      (b) => b.touch('k', 1_000, { ttlMs: 1 } as never),
      (b) => b.persist('k', { context: 'x' } as never),
      (b) => all(b.scan({ r: 1 } as never)),
      (b) => b.getOrSet('k', () => 'v', { durability: 'buffered' } as never),
    ];
    for (const call of nones) await refused(bucket, call);
    expect((await bucket.get('k')).siblings).toEqual([expect.not.objectContaining({ expiresAtMs: 1 })]);
    const entry = { key: 'k', value: 'v2', ifAbsent: true } as never;
    expect(await bucket.putMany([entry, { key: 'l', value: 'v' }])).toMatchObject([
      { ok: false, error: { ...BAD, details: { got: 'ifAbsent' } } },
      { ok: true },
    ]);
  });

  test('open(), connect(), buckets, joins and backups refuse options that they do not have', async () => {
    const store = await openSmall('memory', { memoryMiB: 64 });
    expect(await failure(open({ engine: 'memory', node: 3 } as never))).toMatchObject({
      ...BAD,
      details: { got: 'node', expected: expect.stringMatching(/^data, engine, nodes, /) as string },
    });
    const handle = store.handle();
    const wrong = (): unknown => connect(handle, { resolver: {} } as never);
    expect(wrong).toThrow(
      expect.objectContaining({ ...BAD, details: { got: 'resolver', expected: 'resolvers' } }) as Error,
    );
    handle.release();
    expect(() => store.bucket('b', { N: 1 } as never)).toThrow(
      expect.objectContaining({
        ...BAD,
        message: expect.stringContaining('n, r, w, durability') as string,
      }) as Error,
    );
    const calls: Promise<unknown>[] = [
      store.members.planJoin({ node: 'n9', vnode: 2 } as never),
      store.members.rollBack({ abandn: true } as never),
      store.backup('/nowhere/to/be/found', { wihtout: ['n1.0'] } as never),
    ];
    for (const call of calls)
      expect(await failure(call)).toMatchObject({ ...BAD, details: { got: expect.any(String) as string } });
  });

  test('a string value with half a surrogate pair is refused, since it would come back as another one', async () => {
    const bucket = fresh();
    await bucket.put('k', 'before');
    const halves = [
      ['\ud800', 0],
      ['ab\udc00c', 2],
      [`${'x'.repeat(70_000)}\ud83d`, 70_000],
      ['😀\ude00', 2],
    ] as const;
    for (const [value, position] of halves) {
      await refused(bucket, (b) => b.put('k', value));
      expect((await failure(bucket.put('k', value))).details).toEqual({
        position,
        characters: value.length,
      });
      expect(await bucket.putMany([{ key: 'k', value }])).toMatchObject([{ ok: false, error: BAD }]);
      expect(await failure(bucket.getOrSet('missing', () => value))).toMatchObject(BAD);
    }
    expect((await bucket.get('missing')).found).toBe(false);
    expect(Buffer.from((await bucket.get('k')).value!).toString()).toBe('before');
    await bucket.put('whole', '😀 and \uffff');
    expect(Buffer.from((await bucket.get('whole')).value!).toString()).toBe('😀 and \uffff');
  });

  test('a conflict rule that is no string is refused, also where it would have to cross a thread', async () => {
    const store = await openSmall('memory', { memoryMiB: 64 });
    await store.put('k', 'v');
    const remote = connect(store.handle());
    for (const one of ANYTHING as never[]) {
      if (typeof one === 'string') continue;
      for (const each of [store, remote]) {
        expect(await failure(each.setProperties({ conflict: one }))).toMatchObject(BAD);
        expect(() => each.bucket('other', { conflict: one })).toThrow(expect.objectContaining(BAD) as Error);
      }
    }
    await remote.close();
  });

  test('a content type that cannot be is refused before the load, and not after it', async () => {
    const bucket = fresh();
    let loads = 0;
    const load = (): string => `${++loads}`;
    expect(await failure(bucket.getOrSet('k', load, { contentType: 'a\r\nb' }))).toMatchObject(BAD);
    expect(loads).toBe(0);
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
    for (const contentType of [
      'a/b\r\nb: c',
      'text/ä',
      '\0',
      '→',
      'text',
      'bad type/x',
      'a/b/c',
      '/x',
      'x/',
      ' a/b',
    ])
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
