import { beforeEach, describe, expect, test } from 'vitest';
import { Client } from './client.js';
import { openDoor, VALUE_BYTES } from './harness.js';

/** The 64-bit integers that clients write for "to the end" and "all". */
const MOST = '9223372036854775807';
const LEAST = '-9223372036854775808';

const door = openDoor();
let client: Client;
let next = 0;
let key: string;
beforeEach(async () => {
  client = await door.connect();
  key = `key-${next++}`;
});

describe('strings', () => {
  test('what was set is got, whatever bytes it has', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    expect(await client.call('SET', Buffer.concat([Buffer.from(key), bytes]), bytes)).toBe('OK');
    expect(await client.call('get', Buffer.concat([Buffer.from(key), bytes]))).toBe(bytes.toString('latin1'));
    expect(await client.call('GET', key)).toBeNull();
    expect(await client.call('SET', key, '')).toBe('OK');
    expect(await client.call('GET', key)).toBe('');
    expect(await client.call('STRLEN', key)).toBe(0);
  });

  test('SET with NX, XX and GET', async () => {
    expect(await client.call('SET', key, 'a', 'XX')).toBeNull();
    expect(await client.call('SET', key, 'a', 'nx')).toBe('OK');
    expect(await client.call('SET', key, 'b', 'NX')).toBeNull();
    expect(await client.call('SET', key, 'b', 'NX', 'GET')).toBe('a');
    expect(await client.call('SET', key, 'c', 'XX', 'GET')).toBe('a');
    expect(await client.call('GET', key)).toBe('c');
    expect(await client.call('SET', `${key}x`, 'c', 'GET')).toBeNull();
    expect(await client.call('SETNX', key, 'd')).toBe(0);
    expect(await client.call('SETNX', `${key}y`, 'd')).toBe(1);
    expect(await client.error('SET', key, 'a', 'NX', 'XX')).toBe('ERR syntax error');
    expect(await client.error('SET', key, 'a', 'FOO')).toBe('ERR syntax error');
  });

  test('GETSET and GETDEL', async () => {
    expect(await client.call('GETSET', key, '1')).toBeNull();
    expect(await client.call('GETSET', key, '2')).toBe('1');
    expect(await client.call('GETDEL', key)).toBe('2');
    expect(await client.call('GETDEL', key)).toBeNull();
    expect(await client.call('EXISTS', key)).toBe(0);
    expect(await client.call('SETNX', key, 'again')).toBe(1);
  });

  test('MSET and MGET; of a key that is named twice the last value counts', async () => {
    expect(await client.call('MSET', `${key}a`, 1, `${key}b`, 2, `${key}a`, 3)).toBe('OK');
    expect(await client.call('MGET', `${key}a`, `${key}c`, `${key}b`)).toEqual(['3', null, '2']);
    expect(await client.error('MSET', 'a')).toBe("ERR wrong number of arguments for 'mset' command");
    expect(await client.error('MSET', 'a', '1', 'b')).toBe(
      "ERR wrong number of arguments for 'mset' command",
    );
  });

  test('GETRANGE counts from both ends, as Redis does', async () => {
    await client.call('SET', key, 'This is a string');
    for (const [from, to, part] of [
      [0, 3, 'This'],
      [-3, -1, 'ing'],
      [0, -1, 'This is a string'],
      [10, 100, 'string'],
      [5, 3, ''],
      [100, 200, ''],
      [-1, -3, ''],
      [-100, -16, 'T'],
      [-100, -17, 'T'],
    ] as const) {
      expect(await client.call('GETRANGE', key, from, to), `${from} ${to}`).toBe(part);
    }
    expect(await client.call('SUBSTR', key, 0, 3)).toBe('This');
    expect(await client.call('GETRANGE', 'none', 0, 3)).toBe('');
    // Clients name the whole value by the greatest number that they have.
    expect(await client.call('GETRANGE', key, 0, MOST)).toBe('This is a string');
    expect(await client.call('GETRANGE', key, LEAST, -1)).toBe('This is a string');
    expect(await client.call('GETRANGE', key, MOST, MOST)).toBe('');
    expect(await client.error('GETRANGE', key, 0, `${MOST}0`)).toMatch(/not an integer or out of range/);
  });

  test('APPEND and SETRANGE grow a value up to the limit', async () => {
    expect(await client.call('APPEND', key, 'ab')).toBe(2);
    expect(await client.call('APPEND', key, 'cd')).toBe(4);
    expect(await client.call('SETRANGE', key, 6, 'gh')).toBe(8);
    expect(await client.call('GET', key)).toBe('abcd\0\0gh');
    expect(await client.call('SETRANGE', 'none', 6, '')).toBe(0);
    expect(await client.call('EXISTS', 'none')).toBe(0);
    expect(await client.error('SETRANGE', key, -1, 'x')).toBe('ERR offset is out of range');
    const tooLong = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
    expect(await client.error('SETRANGE', key, VALUE_BYTES, 'x')).toBe(tooLong);
    expect(await client.error('SETRANGE', key, MOST, 'x')).toBe(tooLong);
    expect(await client.error('SETRANGE', key, LEAST, 'x')).toBe('ERR offset is out of range');
    expect(await client.error('APPEND', key, 'x'.repeat(VALUE_BYTES))).toBe(tooLong);
    expect(await client.call('STRLEN', key)).toBe(8);
  });
});

describe('counters', () => {
  test('INCR and its like are exact 64-bit integers that GET sees', async () => {
    expect(await client.call('INCR', key)).toBe(1);
    expect(await client.call('INCRBY', key, 41)).toBe(42);
    expect(await client.call('DECR', key)).toBe(41);
    expect(await client.call('DECRBY', key, 50)).toBe(-9);
    expect(await client.call('GET', key)).toBe('-9');
    await client.call('SET', key, '9223372036854775806');
    expect(await client.call('INCR', key)).toBe(9223372036854775807n);
    expect(await client.error('INCR', key)).toBe('ERR increment or decrement would overflow');
    expect(await client.error('DECRBY', key, '-9223372036854775808')).toBe('ERR decrement would overflow');
    await client.call('SET', key, 'ten');
    expect(await client.error('INCR', key)).toBe('ERR value is not an integer or out of range');
    expect(await client.error('INCRBY', `${key}n`, 'x')).toBe('ERR value is not an integer or out of range');
  });

  test('INCRBYFLOAT tells infinity from what is no number, as Redis does', async () => {
    await client.call('SET', key, '10');
    for (const infinite of ['inf', '-Infinity', '+INF'])
      expect(await client.error('INCRBYFLOAT', key, infinite)).toBe(
        'ERR increment would produce NaN or Infinity',
      );
    for (const none of ['nan', 'x', '', '1.0x', ' 1', 'infin'])
      expect(await client.error('INCRBYFLOAT', key, none)).toBe('ERR value is not a valid float');
    expect(await client.call('GET', key)).toBe('10');
  });

  test('INCRBYFLOAT adds decimals exactly', async () => {
    await client.call('SET', key, '10.50');
    expect(await client.call('INCRBYFLOAT', key, '0.1')).toBe('10.6');
    expect(await client.call('INCRBYFLOAT', key, '-5')).toBe('5.6');
    expect(await client.error('INCRBYFLOAT', key, 'x')).toBe('ERR value is not a valid float');
  });

  test('none of many at once is lost, from several connections and doors', async () => {
    const port = await door.another({});
    const others = await Promise.all([door.connect(), Client.connect(port), Client.connect(port)]);
    const seen = await Promise.all(
      [client, ...others].flatMap((one) => Array.from({ length: 25 }, () => one.call('INCR', key))),
    );
    expect(new Set(seen).size).toBe(100);
    expect(await client.call('GET', key)).toBe('100');
    for (const other of others) other.close();
  });
});

describe('keys', () => {
  test('DEL, UNLINK, EXISTS and TOUCH count', async () => {
    await client.call('MSET', `${key}a`, 1, `${key}b`, 2);
    expect(await client.call('EXISTS', `${key}a`, `${key}a`, `${key}b`, 'none')).toBe(3);
    expect(await client.call('TOUCH', `${key}a`, 'none')).toBe(1);
    expect(await client.call('DEL', `${key}a`, `${key}a`, 'none')).toBe(1);
    expect(await client.call('UNLINK', `${key}b`)).toBe(1);
    expect(await client.call('UNLINK', `${key}b`)).toBe(0);
  });

  test('TYPE and OBJECT ENCODING', async () => {
    await client.call('SET', key, '12');
    expect(await client.call('TYPE', key)).toBe('string');
    expect(await client.call('TYPE', 'none')).toBe('none');
    expect(await client.call('OBJECT', 'ENCODING', key)).toBe('int');
    await client.call('SET', key, 'x'.repeat(45));
    expect(await client.call('OBJECT', 'encoding', key)).toBe('raw');
    expect(await client.call('OBJECT', 'ENCODING', 'none')).toBeNull();
    expect(await client.error('OBJECT', 'FREQ', key)).toBe("ERR unknown subcommand 'FREQ'. Try OBJECT HELP.");
    expect(await client.call('OBJECT', 'HELP')).toEqual([
      'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
      'ENCODING key',
      'HELP',
      '    Print this help.',
    ]);
    expect(await client.call('COMMAND', 'help')).toContain('INFO [name ...]');
  });

  test('a pattern that begins with more bytes than a key can have matches none, and the longest key the longest one', async () => {
    const client = await door.connect();
    await client.call('FLUSHDB');
    const longest = 'p'.repeat(1_900);
    await client.call('SET', longest, 'v');
    expect(await client.call('KEYS', `${longest}*`)).toEqual([longest]);
    for (const pattern of [`${longest}p`, `${longest}p*`, `${'p'.repeat(20_000)}*`]) {
      expect(await client.call('KEYS', pattern)).toEqual([]);
      expect(await client.call('SCAN', 0, 'MATCH', pattern)).toEqual(['0', []]);
    }
    await client.call('FLUSHDB');
  });

  test('SCAN meets every key at least once; DBSIZE, KEYS and RANDOMKEY know them; FLUSHDB deletes them', async () => {
    await client.call('SELECT', 9);
    const all = Array.from({ length: 500 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}:${i}`);
    await client.call('MSET', ...all.flatMap((name) => [name, 'v']));
    expect(await client.call('DBSIZE')).toBe(500);
    const walk = async (...options: (string | number)[]): Promise<string[]> => {
      const found: string[] = [];
      let cursor = '0';
      do {
        const [after, keys] = (await client.call('SCAN', cursor, ...options)) as [string, string[]];
        found.push(...keys);
        cursor = after;
        expect(cursor).toMatch(/^\d{1,16}$/);
      } while (cursor !== '0');
      return found.sort();
    };
    expect(await walk()).toEqual([...all].sort());
    expect(await walk('COUNT', 1000)).toEqual([...all].sort());
    expect(await walk('COUNT', MOST)).toEqual([...all].sort());
    expect(await walk('MATCH', 'odd:*', 'COUNT', 7)).toEqual(
      all.filter((name) => name.startsWith('odd')).sort(),
    );
    expect(await walk('MATCH', '*:1?', 'TYPE', 'string')).toHaveLength(10);
    expect(await walk('TYPE', 'hash')).toEqual([]);
    expect(((await client.call('KEYS', 'even:*')) as string[]).sort()).toEqual(
      all.filter((name) => name.startsWith('even')).sort(),
    );
    expect(all).toContain(await client.call('RANDOMKEY'));
    expect(await client.error('SCAN', 'x')).toBe('ERR invalid cursor');
    expect(await client.error('SCAN', 0, 'COUNT', 0)).toBe('ERR syntax error');
    expect(await client.call('FLUSHDB')).toBe('OK');
    expect(await client.call('DBSIZE')).toBe(0);
    expect(await client.call('RANDOMKEY')).toBeNull();
  });

  test('a cursor that another door does not know goes on with its partition, and none is left out', async () => {
    await client.call('SELECT', 8);
    const all = Array.from({ length: 300 }, (_, i) => `k${i}`);
    await client.call('MSET', ...all.flatMap((name) => [name, 'v']));
    const doors = [client, await Client.connect(await door.another({}))];
    await doors[1]!.call('SELECT', 8);
    const found = new Set<string>();
    let cursor = '0';
    for (let turn = 0; turn === 0 || cursor !== '0'; turn++) {
      expect(turn).toBeLessThan(400);
      const [after, keys] = (await doors[turn % 2]!.call('SCAN', cursor, 'COUNT', 2)) as [string, string[]];
      for (const name of keys) found.add(name);
      cursor = after;
    }
    expect(found.size).toBe(300);
    doors[1]!.close();
  });

  test('a cursor of another database is none that is known: its partition is returned, and no error', async () => {
    const all = Array.from({ length: 300 }, (_, i) => `k${i}`).flatMap((name) => [name, 'v']);
    for (const database of [11, 12]) {
      await client.call('SELECT', database);
      await client.call('MSET', ...all);
    }
    await client.call('SELECT', 11);
    const [cursor] = (await client.call('SCAN', 0, 'COUNT', 3)) as [string, string[]];
    await client.call('SELECT', 12);
    const other = await Client.connect(await door.another({}));
    await other.call('SELECT', 12);
    const [here, there] = await Promise.all(
      [client, other].map((each) => each.call('SCAN', cursor, 'COUNT', 1) as Promise<[string, string[]]>),
    );
    expect(here![1].length).toBeGreaterThan(1);
    expect(here![1]).toEqual(there![1]);
    other.close();
  });

  test('FLUSHDB can be switched off', async () => {
    const other = await Client.connect(await door.another({ allowFlush: false }));
    expect(await other.error('FLUSHALL')).toBe('ERR FLUSHALL is switched off');
    other.close();
  });
});

describe('databases and versions', () => {
  test('a database is a bucket where the last write wins, unless it was made otherwise', async () => {
    await client.call('SELECT', 5);
    await client.call('SET', key, 'five');
    expect(Buffer.from((await door.store.bucket('redis-5').get(key)).value!).toString()).toBe('five');
    expect((await door.store.bucket('redis-5').properties()).conflict).toBe('lww');
    expect(await client.error('SELECT', 16)).toBe('ERR DB index is out of range');
    for (const none of ['x', '1.5'])
      expect(await client.error('SELECT', none)).toBe('ERR value is not an integer or out of range');
    expect(await client.error('SELECT', 2 ** 31)).toMatch(/^ERR value is out of range, value must between /);

    const siblings = door.store.bucket('redis-6', { conflict: 'siblings' });
    await siblings.put(key, 'one');
    await siblings.put(key, 'two');
    await client.call('SELECT', 6);
    expect(await client.call('GET', key)).toBe('two');
    const [context, values] = (await client.call('KV.GET', key)) as [string, [string, number][]];
    expect(values.map(([value]) => value).sort()).toEqual(['one', 'two']);
    expect(await client.call('KV.PUT', key, 'three', 'CONTEXT', context)).toEqual(expect.any(String));
    expect(await client.call('GET', key)).toBe('three');
    expect(await client.error('KV.PUT', key, 'four', 'IFMATCH', context)).toMatch(/^ERR CONDITION_FAILED: /);
    expect(await client.error('KV.PUT', key, 'four', 'IFABSENT')).toMatch(/^ERR CONDITION_FAILED: /);
  });

  test('a database that another door makes after it was looked at is as that one made it', async () => {
    await client.call('SELECT', 13);
    expect(await client.call('GET', key)).toBeNull();
    const bucket = door.store.bucket('redis-13');
    await bucket.put(key, 'one');
    await bucket.put(key, 'two');
    expect((await bucket.get(key)).siblings).toHaveLength(2);
    expect(await client.call('GET', key)).toBe('two');
    expect(await client.call('SET', key, 'three')).toBe('OK');
    expect(await client.call('INCR', `${key}-n`)).toBe(1);
  });

  test('KV.* reach any bucket', async () => {
    const context = await client.text('KV.PUT', key, 'v', 'BUCKET', 'other');
    expect(await client.call('KV.GET', key, 'BUCKET', 'other')).toEqual([
      context,
      [['v', expect.any(Number)]],
    ]);
    expect(await client.call('KV.GET', key)).toEqual([null, []]);
    await client.call('KV.DEL', key, 'CONTEXT', context, 'BUCKET', 'other');
    expect(await client.call('KV.GET', key, 'BUCKET', 'other')).toEqual([expect.any(String), []]);
    expect(await client.error('KV.GET', key, 'BUCKET', 'a/b')).toMatch(/^ERR BAD_REQUEST: /);
  });
});

test('limits of the store are errors, and the connection goes on', async () => {
  expect(await client.error('SET', 'k'.repeat(2_000), 'v')).toMatch(/^ERR KEY_TOO_LARGE: /);
  expect(await client.error('SET', '', 'v')).toMatch(/^ERR BAD_REQUEST: a key has at least 1 byte/);
  expect(await client.call('PING')).toBe('PONG');
});

test('what is no key here is no key', async () => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    expect(await client.call('GET', name)).toBeNull();
    expect(await client.call('SET', name, name)).toBe('OK');
    expect(await client.call('GET', name)).toBe(name);
    expect(await client.error(name)).toMatch(/^ERR unknown command/);
    expect(await client.error('CLIENT', name)).toMatch(/^ERR unknown subcommand/);
  }
});
