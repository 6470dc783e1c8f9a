import { beforeEach, describe, expect, test } from 'vitest';
import type { Client } from './client.js';
import { openDoor } from './harness.js';

const door = openDoor();
let client: Client;
let next = 0;
let key: string;
beforeEach(async () => {
  client = await door.connect();
  key = `key-${next++}`;
});

/** In the year 3021, and not a whole number of seconds. */
const FAR_MS = 33_177_117_420_123;
const FAR_S = 33_177_117_420;
const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';
const invalid = (command: string): string => `ERR invalid expire time in '${command}' command`;
const time = (of = key) => client.call('PEXPIRETIME', of);

/** Between what was known before a request and after it. */
async function expectLifetime(of: string, sinceMs: number, ttlMs: number): Promise<void> {
  expect(await time(of)).toBeGreaterThanOrEqual(sinceMs + ttlMs);
  expect(await time(of)).toBeLessThanOrEqual(Date.now() + ttlMs);
}

describe('SET', () => {
  test('takes a time in all four units, and forgets the one before', async () => {
    const sinceMs = Date.now();
    expect(await client.call('SET', key, 'v', 'EX', 100)).toBe('OK');
    await expectLifetime(key, sinceMs, 100_000);
    expect(await client.call('SET', key, 'v', 'px', 200_500)).toBe('OK');
    await expectLifetime(key, sinceMs, 200_500);
    expect(await client.call('SET', key, 'v', 'EXAT', FAR_S)).toBe('OK');
    expect(await time()).toBe(FAR_S * 1_000);
    expect(await client.call('SET', key, 'v', 'PXAT', FAR_MS, 'GET')).toBe('v');
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('SET', key, 'v', 'NX', 'EX', 5)).toBeNull();
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('SET', key, 'v')).toBe('OK');
    expect(await time()).toBe(-1);
    expect(await client.call('SET', key, 'v', 'XX', 'PXAT', FAR_MS)).toBe('OK');
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('SET', key, 'w', 'KEEPTTL')).toBe('OK');
    expect(await client.call('GET', key)).toBe('w');
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('SET', `${key}new`, 'w', 'KEEPTTL')).toBe('OK');
    expect(await time(`${key}new`)).toBe(-1);
  });

  test('a time that is over leaves nothing', async () => {
    await client.call('SET', key, 'v');
    expect(await client.call('SET', key, 'v', 'EXAT', 1)).toBe('OK');
    expect(await client.call('GET', key)).toBeNull();
    expect(await client.call('EXISTS', key)).toBe(0);
    expect(await client.call('SET', key, 'again', 'NX')).toBe('OK');
    expect(await time()).toBe(-1);
  });

  test('a value is not got by anyone once its time is over', async () => {
    await client.call('SET', key, 'v', 'PX', 300);
    const expiresAtMs = Number(await time());
    // Storage lets go of it in steps of a quarter of a second: well behind that moment readers must know by themselves.
    for (let over = false; !over;) {
      over = Date.now() >= expiresAtMs + 20;
      const [one, many] = [await client.call('GET', key), await client.call('MGET', key)];
      if (over) expect([one, many]).toEqual([null, [null]]);
    }
  });

  test('wrong times are refused in the words of Redis', async () => {
    for (const [words, error] of [
      [['EX', 0], invalid('set')],
      [['PX', -5], invalid('set')],
      [['PXAT', 0], invalid('set')],
      [['EX', '9223372036854775807'], invalid('set')],
      [['PX', '9223372036854775807'], invalid('set')],
      [['EX', 'abc'], NOT_AN_INTEGER],
      [['EX', '10.5'], NOT_AN_INTEGER],
      [['EX'], 'ERR syntax error'],
      [['EX', 10, 'PX', 10], 'ERR syntax error'],
      [['KEEPTTL', 'EX', 10], 'ERR syntax error'],
      [['PERSIST'], 'ERR syntax error'],
    ] as const) {
      expect(await client.error('SET', key, 'v', ...words), words.join(' ')).toBe(error);
    }
    expect(await client.call('EXISTS', key)).toBe(0);
    // Of several of a kind the last counts.
    expect(await client.call('SET', key, 'v', 'PXAT', 1, 'PXAT', FAR_MS)).toBe('OK');
    expect(await time()).toBe(FAR_MS);
  });
});

test('SETEX and PSETEX', async () => {
  const sinceMs = Date.now();
  expect(await client.call('SETEX', key, 100, 'v')).toBe('OK');
  await expectLifetime(key, sinceMs, 100_000);
  expect(await client.call('PSETEX', key, 100_500, 'v')).toBe('OK');
  await expectLifetime(key, sinceMs, 100_500);
  expect(await client.call('GET', key)).toBe('v');
  expect(await client.error('SETEX', key, 0, 'v')).toBe(invalid('setex'));
  expect(await client.error('PSETEX', key, -1, 'v')).toBe(invalid('psetex'));
  expect(await client.error('SETEX', key, 'abc', 'v')).toBe(NOT_AN_INTEGER);
});

test('GETEX returns the value, and changes or forgets its time', async () => {
  expect(await client.call('GETEX', key, 'EX', 0)).toBeNull();
  expect(await client.error('GETEX', key, 'FOO')).toBe('ERR syntax error');
  await client.call('SET', key, 'v');
  expect(await client.call('GETEX', key)).toBe('v');
  expect(await client.call('GETEX', key, 'PXAT', FAR_MS)).toBe('v');
  expect(await time()).toBe(FAR_MS);
  expect(await client.call('GETEX', key)).toBe('v');
  expect(await time()).toBe(FAR_MS);
  for (const [words, error] of [
    [['EX', 0], invalid('getex')],
    [['EX', 'abc'], NOT_AN_INTEGER],
    [['EX'], 'ERR syntax error'],
    [['PERSIST', 'EX', 1], 'ERR syntax error'],
    [['KEEPTTL'], 'ERR syntax error'],
  ] as const) {
    expect(await client.error('GETEX', key, ...words), words.join(' ')).toBe(error);
  }
  expect(await client.call('GETEX', key, 'PERSIST')).toBe('v');
  expect(await time()).toBe(-1);
  expect(await client.call('GETEX', key, 'PXAT', 1)).toBe('v');
  expect(await client.call('EXISTS', key)).toBe(0);
});

describe('the EXPIRE family', () => {
  test('gives a value a time in all four units; one that is over deletes it', async () => {
    expect(await client.call('EXPIRE', key, 10)).toBe(0);
    await client.call('SET', key, 'v');
    const sinceMs = Date.now();
    expect(await client.call('EXPIRE', key, 100)).toBe(1);
    await expectLifetime(key, sinceMs, 100_000);
    expect(await client.call('PEXPIRE', key, 100_500)).toBe(1);
    await expectLifetime(key, sinceMs, 100_500);
    expect(await client.call('EXPIREAT', key, FAR_S)).toBe(1);
    expect(await time()).toBe(FAR_S * 1_000);
    expect(await client.call('PEXPIREAT', key, FAR_MS)).toBe(1);
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('GET', key)).toBe('v');
    expect(await client.call('EXPIRE', key, -1)).toBe(1);
    expect(await client.call('EXISTS', key)).toBe(0);
    expect(await client.call('PEXPIRE', key, -1)).toBe(0);
  });

  test('keeps to NX, XX, GT and LT, where no time is longer than any', async () => {
    await client.call('SET', key, 'v');
    for (const [at, condition, done, then] of [
      [FAR_MS, ['XX'], 0, -1],
      [FAR_MS, ['GT'], 0, -1],
      [FAR_MS, ['XX', 'GT'], 0, -1],
      [FAR_MS, ['LT'], 1, FAR_MS],
      [FAR_MS + 1, ['LT'], 0, FAR_MS],
      [FAR_MS, ['GT'], 0, FAR_MS],
      [FAR_MS + 1, ['gt'], 1, FAR_MS + 1],
      [FAR_MS, ['NX'], 0, FAR_MS + 1],
      [FAR_MS, ['XX', 'LT'], 1, FAR_MS],
      [1, ['GT'], 0, FAR_MS],
    ] as const) {
      expect(await client.call('PEXPIREAT', key, at, ...condition), `${at} ${condition.join(' ')}`).toBe(
        done,
      );
      expect(await time()).toBe(then);
    }
    await client.call('PERSIST', key);
    expect(await client.call('PEXPIREAT', key, FAR_MS, 'NX')).toBe(1);
    expect(await time()).toBe(FAR_MS);
    expect(await client.call('PEXPIREAT', key, 1, 'LT')).toBe(1);
    expect(await client.call('EXISTS', key)).toBe(0);
  });

  test('refuses in the words of Redis, with and without the key', async () => {
    const both = 'ERR NX and XX, GT or LT options at the same time are not compatible';
    for (const words of [
      ['EXPIRE', 'abc', NOT_AN_INTEGER],
      ['EXPIRE', '9223372036854775807', invalid('expire')],
      ['EXPIRE', '-9223372036854775808', invalid('expire')],
      ['PEXPIRE', '9223372036854775807', invalid('pexpire')],
      ['EXPIREAT', '9223372036854775807', invalid('expireat')],
      ['EXPIRE', '10', 'FOO', 'ERR Unsupported option FOO'],
      ['EXPIRE', '10', 'NX', 'XX', 'FOO', 'ERR Unsupported option FOO'],
      ['EXPIRE', '10', 'NX', 'XX', both],
      ['EXPIRE', '10', 'LT', 'NX', both],
      ['EXPIRE', '10', 'GT', 'LT', 'ERR GT and LT options at the same time are not compatible'],
    ]) {
      const [command, ...rest] = words.slice(0, -1) as [string, ...string[]];
      expect(await client.error(command, key, ...rest), words.join(' ')).toBe(words.at(-1));
    }
    expect(await client.error('EXPIRE', key)).toBe("ERR wrong number of arguments for 'expire' command");
    expect(await client.error('TTL', key, key)).toBe("ERR wrong number of arguments for 'ttl' command");
  });

  test('TTL and its like tell it, PERSIST takes it away', async () => {
    const all = () =>
      Promise.all(['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'].map((name) => client.call(name, key)));
    for (const name of ['TTL', 'PTTL', 'EXPIRETIME', 'PEXPIRETIME'])
      expect(await client.call(name, key)).toBe(-2);
    expect(await client.call('PERSIST', key)).toBe(0);
    await client.call('SET', key, 'v');
    expect(await client.call('PERSIST', key)).toBe(0);
    expect(await all()).toEqual([-1, -1, -1, -1]);
    const sinceMs = Date.now();
    await client.call('PEXPIREAT', key, FAR_MS);
    const [seconds, milliseconds, second, millisecond] = await all();
    const left = (at: number): number => Math.floor((FAR_MS - at + 500) / 1_000);
    expect(seconds).toBeLessThanOrEqual(left(sinceMs));
    expect(seconds).toBeGreaterThanOrEqual(left(Date.now()));
    expect(milliseconds).toBeLessThanOrEqual(FAR_MS - sinceMs);
    expect(milliseconds).toBeGreaterThanOrEqual(FAR_MS - Date.now());
    expect([second, millisecond]).toEqual([FAR_S, FAR_MS]);
    expect(await client.call('PERSIST', key)).toBe(1);
    expect(await all()).toEqual([-1, -1, -1, -1]);
  });
});

test('what changes a value keeps its time, what replaces it does not', async () => {
  await client.call('SET', key, '1', 'PXAT', FAR_MS);
  for (const words of [
    ['INCR', key],
    ['DECRBY', key, 1],
    ['INCRBYFLOAT', key, 1],
    ['APPEND', key, '0'],
    ['SETRANGE', key, 0, '3'],
    ['SETNX', key, 'v'],
  ]) {
    await client.call(...words);
    expect(await time(), String(words[0])).toBe(FAR_MS);
  }
  expect(await client.call('GET', key)).toBe('30');
  for (const words of [
    ['GETSET', key, 'v'],
    ['MSET', key, 'v'],
  ]) {
    await client.call('PEXPIREAT', key, FAR_MS);
    await client.call(...words);
    expect(await time(), words[0]).toBe(-1);
  }
  await client.call('PEXPIREAT', key, FAR_MS);
  expect(await client.call('GETDEL', key)).toBe('v');
  expect(await client.call('INCR', key)).toBe(1);
  expect(await time()).toBe(-1);
});

test('a bucket with a time to live gives it to plain values, and EXPIRE keeps the content type', async () => {
  const bucket = door.store.bucket('redis-7', { conflict: 'lww', ttlMs: 100_000 });
  await bucket.put('doc', '{}', { contentType: 'application/json', ttlMs: 0 });
  await client.call('SELECT', 7);
  expect(await time('doc')).toBe(-1);
  expect(await client.call('PEXPIREAT', 'doc', FAR_MS)).toBe(1);
  expect((await bucket.get('doc')).siblings).toMatchObject([
    { contentType: 'application/json', expiresAtMs: FAR_MS },
  ]);
  const sinceMs = Date.now();
  // The first goes through the bucket, the second past its promises.
  for (const name of ['first', 'second']) {
    expect(await client.call('SET', name, 'v')).toBe('OK');
    await expectLifetime(name, sinceMs, 100_000);
  }
  expect(await client.call('PERSIST', 'first')).toBe(1);
  expect(await client.call('APPEND', 'first', 'w')).toBe(2);
  expect(await time('first')).toBe(-1);
});

test('of many that set a time only if there is none exactly one does', async () => {
  await client.call('SET', key, 'v');
  const others = await Promise.all(Array.from({ length: 8 }, () => door.connect()));
  const done = await Promise.all(others.map((one, i) => one.call('PEXPIREAT', key, FAR_MS + i, 'NX')));
  expect(done.filter((one) => one === 1)).toHaveLength(1);
  expect(await time()).toBe(FAR_MS + done.indexOf(1));
});
