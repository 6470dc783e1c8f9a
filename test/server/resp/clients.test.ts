import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import KeyvRedis from '@keyv/redis';
import { createCache } from 'cache-manager';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { Redis as Redis5 } from 'ioredis';
import { Redis as Redis6 } from 'ioredis6';
import { Keyv } from 'keyv';
import { createClient as createClient5 } from 'redis5';
import { createClient as createClient6 } from 'redis6';
import { describe, expect, test } from 'vitest';
import { openDoor } from './harness.js';

/** The clients that people have, as they are: what they send by themselves must be answered to their liking. */
const door = openDoor();
const url = (database = 0): string => `redis://127.0.0.1:${door.port}/${database}`;

/** Long for a value that is about to be looked at, on a busy machine. */
const LONG_MS = 600_000;

async function direct(database: number) {
  const redis = createClient6({ url: url(database) });
  await redis.connect();
  return redis;
}

describe.each([
  ['5', (options: object) => new Redis5(door.port, '127.0.0.1', options)],
  ['6', (options: object) => new Redis6(door.port, '127.0.0.1', options) as unknown as Redis5],
])('ioredis %s', (major, connect) => {
  test('strings, counters, scans, pipelines, transactions, bytes', async () => {
    const redis = connect({ db: 2, keyPrefix: `i${major}:`, connectionName: 'test', lazyConnect: true });
    const failures: unknown[] = [];
    redis.on('error', (error) => failures.push(error));
    await redis.connect();
    expect(await redis.set('a', 'ä')).toBe('OK');
    expect(await redis.get('a')).toBe('ä');
    expect(await redis.getBuffer('a')).toEqual(Buffer.from('ä'));
    expect(await redis.set('a', 'b', 'NX')).toBeNull();
    expect(await redis.incr('n')).toBe(1);
    expect(await redis.incrbyfloat('f', 0.5)).toBe('0.5');
    expect(await redis.mset({ x: '1', y: '2' })).toBe('OK');
    expect(await redis.mget('x', 'none', 'y')).toEqual(['1', null, '2']);
    expect(await redis.exists('x', 'y', 'none')).toBe(2);
    const keys: string[] = [];
    for await (const page of redis.scanStream({ match: `i${major}:*`, count: 2 }))
      keys.push(...(page as string[]));
    expect(keys.toSorted()).toEqual(['a', 'f', 'n', 'x', 'y'].map((name) => `i${major}:${name}`));
    expect(await redis.pipeline().set('p', 1).incr('p').get('p').get('none').exec()).toEqual([
      [null, 'OK'],
      [null, 2],
      [null, '2'],
      [null, null],
    ]);
    expect(await redis.multi().incr('p').append('p', '0').exec()).toEqual([
      [null, 3],
      [null, 2],
    ]);
    await expect(redis.call('LPUSH', 'l', '1')).rejects.toThrow(/^ERR unknown command/);
    await expect(redis.set('a', 'x').then(() => redis.incr('a'))).rejects.toThrow(
      'ERR value is not an integer or out of range',
    );
    expect(await redis.set('t', 'v', 'PX', LONG_MS)).toBe('OK');
    expect(await redis.expire('t', 1, 'GT')).toBe(0);
    expect(await redis.getex('t', 'EX', (2 * LONG_MS) / 1_000)).toBe('v');
    expect(await redis.pttl('t')).toBeGreaterThan(LONG_MS);
    expect(await redis.persist('t')).toBe(1);
    expect(await redis.ttl('t')).toBe(-1);
    expect(await redis.client('GETNAME')).toBe('test');
    await redis.quit();
    expect(failures).toEqual([]);
  });
});

describe.each([
  ['5, RESP2', () => createClient5({ url: url(3) })],
  ['5, RESP3', () => createClient5({ url: url(3), RESP: 3 })],
  ['6', () => createClient6({ url: url(3) }) as unknown as ReturnType<typeof createClient5>],
])('node-redis %s', (_name, create) => {
  test('strings, counters, scans, transactions', async () => {
    const failures: unknown[] = [];
    const redis = create().on('error', (error) => failures.push(error));
    await redis.connect();
    await redis.flushDb();
    expect(await redis.set('a', 'b')).toBe('OK');
    expect(await redis.get('a')).toBe('b');
    expect(await redis.get('none')).toBeNull();
    expect(await redis.set('a', 'c', { NX: true })).toBeNull();
    expect(await redis.incrBy('n', 5)).toBe(5);
    await redis.mSet({ x: '1', y: '2' });
    expect(await redis.mGet(['x', 'none', 'y'])).toEqual(['1', null, '2']);
    expect(await Promise.all([redis.get('x'), redis.set('x', '3'), redis.get('x')])).toEqual([
      '1',
      'OK',
      '3',
    ]);
    const keys: string[] = [];
    for await (const page of redis.scanIterator({ COUNT: 2, TYPE: 'string' })) keys.push(...page);
    expect(keys.toSorted()).toEqual(['a', 'n', 'x', 'y']);
    expect(await redis.multi().incr('n').get('n').exec()).toEqual([6, '6']);
    expect(await redis.getDel('n')).toBe('6');
    await redis.set('t', 'v', { expiration: { type: 'PX', value: LONG_MS } });
    expect(await redis.expire('t', 1, 'GT')).toBe(0);
    expect(await redis.getEx('t', { type: 'PX', value: 2 * LONG_MS })).toBe('v');
    expect(await redis.pTTL('t')).toBeGreaterThan(LONG_MS);
    await redis.set('t', 'w', { expiration: 'KEEPTTL' });
    expect(await redis.pExpireTime('t')).toBeGreaterThan(Date.now());
    expect(await redis.persist('t')).toBe(1);
    expect(await redis.ttl('t')).toBe(-1);
    expect(await redis.configGet('save')).toMatchObject({ save: '' });
    await expect(redis.hSet('h', 'f', 'v')).rejects.toThrow(/^ERR unknown command/);
    expect(await redis.info()).toContain('role:master');
    await redis.close();
    expect(failures).toEqual([]);
  });
});

test('Keyv on @keyv/redis: namespaces, many at once, iteration, clear', async () => {
  const store = new KeyvRedis(url(4));
  const one = new Keyv({ store, namespace: 'one' });
  const failures: unknown[] = [];
  one.on('error', (error: unknown) => failures.push(error));
  expect(await one.set('a', { deep: [1, 'ä'] })).toBe(true);
  expect(await one.get('a')).toEqual({ deep: [1, 'ä'] });
  expect(await one.get('none')).toBeUndefined();
  expect(await one.has('a')).toBe(true);
  await one.setMany([
    { key: 'b', value: 2 },
    { key: 'c', value: 3 },
  ]);
  expect(await one.get(['b', 'c', 'none'])).toEqual([2, 3, undefined]);
  const seen: string[] = [];
  for await (const [key] of one.iterator!('one') as AsyncIterable<[string, unknown]>) seen.push(key);
  expect(seen.toSorted()).toEqual(['a', 'b', 'c']);
  expect(await one.delete('a')).toBe(true);
  expect(await one.delete(['b', 'none'])).toBe(true);
  await one.clear();
  expect(await one.get('c')).toBeUndefined();
  await one.disconnect();
  expect(failures).toEqual([]);
});

test('Keyv on @keyv/redis: a time to live of one key, of many, of all', async () => {
  const redis = await direct(4);
  const keyv = new Keyv({ store: new KeyvRedis(url(4)), namespace: 'ttl', ttl: LONG_MS });
  await keyv.set('own', 1, 2 * LONG_MS);
  await keyv.set('default', 1);
  await keyv.setMany([{ key: 'many', value: 2, ttl: 2 * LONG_MS }]);
  for (const [key, ttlMs] of [
    ['own', 2 * LONG_MS],
    ['default', LONG_MS],
    ['many', 2 * LONG_MS],
  ] as const) {
    // How the library makes the name of namespace and key is its own matter.
    const [name] = await redis.keys(`*ttl*:${key}`);
    const left = await redis.pTTL(name!);
    expect(left, key).toBeGreaterThan(ttlMs - LONG_MS / 2);
    expect(left, key).toBeLessThanOrEqual(ttlMs);
  }
  // Not what the library has written into the value, but the store lets go of it.
  const [own] = await redis.keys('*ttl*:own');
  await redis.pExpire(own!, 1);
  while ((await redis.exists(own!)) !== 0);
  expect(await keyv.get('own')).toBeUndefined();
  await keyv.disconnect();
  await redis.close();
});

test('cache-manager on @keyv/redis', async () => {
  const keyv = new Keyv({ store: new KeyvRedis(url(4)), namespace: 'cache' });
  const cache = createCache({ stores: [keyv] });
  let loaded = 0;
  const load = async (): Promise<{ n: number }> => ({ n: ++loaded });
  expect(await cache.wrap('k', load)).toEqual({ n: 1 });
  expect(await cache.wrap('k', load)).toEqual({ n: 1 });
  await cache.mset([
    { key: 'x', value: 1 },
    { key: 'y', value: 2 },
  ]);
  await cache.set('t', 1, LONG_MS);
  const redis = await direct(4);
  const [name] = await redis.keys('*cache*:t');
  const left = await redis.pTTL(name!);
  expect(left).toBeGreaterThan(LONG_MS / 2);
  expect(left).toBeLessThanOrEqual(LONG_MS);
  await redis.close();
  expect(await cache.ttl('t')).toBeGreaterThan(Date.now());
  expect(await cache.mget(['x', 'y', 'z'])).toEqual([1, 2, undefined]);
  await cache.del('k');
  expect(await cache.get('k')).toBeUndefined();
  await cache.clear();
  expect(await cache.get('x')).toBeUndefined();
  await cache.disconnect();
});

test('express-session on connect-redis keeps what a visitor did', async () => {
  const client = createClient6({ url: url(5) });
  await client.connect();
  const store = new RedisStore({ client, ttl: LONG_MS / 1_000 });
  const middleware = session({ store, secret: 's', resave: false, saveUninitialized: false });
  const server = createServer((request, response) => {
    middleware(request as never, response as never, () => {
      const own = (request as unknown as { session: { visits?: number } }).session;
      own.visits = (own.visits ?? 0) + 1;
      response.end(String(own.visits));
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const first = await fetch(address);
  const headers = { cookie: first.headers.get('set-cookie')!.split(';')[0]! };
  expect(await first.text()).toBe('1');
  expect(await (await fetch(address, { headers })).text()).toBe('2');
  expect(await (await fetch(address)).text()).toBe('1');
  const all: unknown[] = await store.all();
  expect(all).toHaveLength(2);
  const [name] = await client.keys('sess:*');
  expect(await client.pTTL(name!)).toBeGreaterThan(0);
  // Whoever comes again has the whole time again.
  await client.expire(name!, 1_000_000);
  const [, id] = name!.split(':');
  await store.touch(id!, (await store.get(id!)) as session.SessionData);
  expect(await client.pTTL(name!)).toBeLessThanOrEqual(LONG_MS);
  server.closeAllConnections();
  server.close();
  await client.close();
});
