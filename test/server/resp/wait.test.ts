import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { Client, request } from './client.js';
import { openDoor } from './harness.js';

const LONG_MS = 20_000;

describe('three nodes in memory', () => {
  const door = openDoor({ allowFaults: true });
  afterEach(async () => allServe());

  const stop = async (node: string): Promise<void> => {
    // A thread says that it serves before the host has heard so, and only then can it be stopped.
    const stops = (): void => door.store.faults.inject({ kind: 'stop', at: node, forMs: 60_000 });
    await vi.waitFor(stops, { timeout: LONG_MS });
    const state = (): unknown => door.store.ring().nodes.find(({ id }) => id === node)?.vnodes[0]?.state;
    await expect.poll(state).toBe('stopped');
  };
  const allServe = async (): Promise<void> => {
    door.store.faults.clear();
    const serving = (): boolean =>
      door.store.ring().nodes.every(({ vnodes }) => vnodes.every(({ state }) => state === 'serving'));
    await expect.poll(serving, { timeout: LONG_MS }).toBe(true);
  };

  test('the errors are those of Redis', async () => {
    const client = await door.connect();
    expect(await client.error('WAIT', 'a', 1)).toBe('ERR value is not an integer or out of range');
    expect(await client.error('WAIT', '1.5', 1)).toBe('ERR value is not an integer or out of range');
    expect(await client.error('WAIT', 1, 'a')).toBe('ERR timeout is not an integer or out of range');
    expect(await client.error('WAIT', 1, -1)).toBe('ERR timeout is negative');
    expect(await client.error('WAIT', 1)).toBe("ERR wrong number of arguments for 'wait' command");
    expect(await client.error('WAITAOF', 2, 1, 1)).toBe(
      'ERR value is out of range, value must between 0 and 1',
    );
    expect(await client.error('WAITAOF', 'a', 1, 1)).toBe('ERR value is not an integer or out of range');
    expect(await client.error('WAITAOF', 0, -1, 1)).toBe('ERR value is out of range, must be positive');
    expect(await client.error('WAITAOF', 0, 1, -1)).toBe('ERR timeout is negative');
    expect(await client.error('WAITAOF', 1, 0, 1)).toBe(
      'ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.',
    );
    expect(await client.call('WAITAOF', 0, 0, 1)).toEqual([0, 0]);
  });

  test('who has written nothing does not wait', async () => {
    expect(await (await door.connect()).call('WAIT', 2, 0)).toBe(2);
  });

  // Each way in which a value gets in: quickly, by a condition, as a deletion, with another time to live.
  test.each([
    ['SET', (c: Client) => c.call('SET', 'w', 'v')],
    ['SET with options', (c: Client) => c.call('SET', 'w', 'v', 'EX', 1_000)],
    ['INCR', (c: Client) => c.call('INCR', 'n')],
    ['MSET', (c: Client) => c.call('MSET', 'a', '1', 'b', '2', 'c', '3')],
    ['DEL', (c: Client) => c.call('DEL', 'w')],
    ['EXPIRE', async (c: Client) => [await c.call('SET', 'e', 1), await c.call('EXPIRE', 'e', 1_000)]],
    ['KV.DEL where there is no bucket', (c: Client) => c.call('KV.DEL', 'k', 'BUCKET', 'nowhere')],
    ['KV.PUT', (c: Client) => c.call('KV.PUT', 'k', 'v', 'BUCKET', 'other')],
    ['FLUSHDB', (c: Client) => c.call('FLUSHDB')],
  ])('all three copies of a %s', async (_, write) => {
    const client = await door.connect();
    await client.call('SELECT', 1);
    await write(client);
    expect(await client.call('WAIT', 2, LONG_MS)).toBe(2);
  });

  test('of a pipeline the last SET counts, and what follows the WAIT waits for it', async () => {
    const client = await door.connect();
    const sets = Array.from({ length: 50 }, (_, i) => request('SET', `p${i}`, i));
    client.send(Buffer.concat([...sets, request('WAIT', 2, LONG_MS), request('GET', 'p49')]));
    for (const _ of sets) expect(await client.next()).toBe('OK');
    expect([await client.next(), await client.next()]).toEqual([2, '49']);
  });

  test('ioredis', async () => {
    const redis = new Redis(door.port, '127.0.0.1');
    await redis.set('io', 'v');
    expect(await redis.wait(2, LONG_MS)).toBe(2);
    expect(await redis.pipeline().set('io', 'w').wait(2, LONG_MS).exec()).toEqual([
      [null, 'OK'],
      [null, 2],
    ]);
    await redis.quit();
  });

  test('with a node down a second replica is waited for until the time is over, then until it is back', async () => {
    const client = await door.connect();
    await stop('n2');
    // Quorums are met by the other two, whoever coordinates.
    expect(await client.call('SET', 'down', 'v')).toBe('OK');
    expect(await client.call('WAIT', 1, LONG_MS)).toBe(1);
    const startedMs = performance.now();
    expect(await client.call('WAIT', 2, 60)).toBe(1);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(59);
    expect(await client.call('WAIT', 1, LONG_MS), 'three copies are not there').toBe(1);
    client.send(request('WAIT', 2, 0));
    const waiting = client.next();
    await allServe();
    expect(await waiting).toBe(2);
  });

  test('a copy of an earlier version is none of the write', async () => {
    const client = await door.connect();
    const keys = Array.from({ length: 50 }, (_, i) => `again${i}`);
    const first = await Promise.all(
      keys.map(async (key) => (await door.store.inspect(key)).preferenceList[0]!.node),
    );
    const key = keys[first.findIndex((node) => node !== 'n3')]!;
    await client.call('SET', key, 1);
    expect(await client.call('WAIT', 2, LONG_MS)).toBe(2);
    for (const from of ['n1', 'n2'])
      door.store.faults.inject({ kind: 'link', from, to: 'n3', cut: true, oneWay: true });
    await client.call('SET', key, 2);
    expect(await client.call('WAIT', 2, 60)).toBe(1);
    door.store.faults.clear();
    expect(await client.call('WAIT', 2, LONG_MS)).toBe(2);
  });

  test('within MULTI nothing waits', async () => {
    const client = await door.connect();
    await stop('n2');
    client.send(
      Buffer.concat([
        request('MULTI'),
        request('SET', 'm', 1),
        request('WAIT', 2, 0),
        request('GET', 'm'),
        request('EXEC'),
      ]),
    );
    for (let i = 0; i < 4; i++) await client.next();
    expect(await client.next()).toEqual(['OK', 1, '1']);
  });

  test('a client that leaves is not waited for, nor is one when the door closes', async () => {
    await stop('n2');
    const gone = await door.connect();
    await gone.call('SET', 'gone', 1);
    gone.send(request('WAIT', 2, 0));
    gone.close();
    const closing = await door.threaded({}, 1);
    const client = await Client.connect(closing.port);
    await client.call('SET', 'left', 1);
    // In one piece: when the first is answered the second has begun.
    client.send(Buffer.concat([request('PING'), request('WAIT', 2, 0)]));
    expect(await client.next()).toBe('PONG');
    await closing.close();
    expect(await client.next()).toBe(1);
    await client.closed;
  });
});

describe('three nodes on disk', () => {
  const data = mkdtempSync(join(tmpdir(), 'ringlet-wait-'));
  // Before the store's own, since the last one runs first.
  afterAll(() => rmSync(data, { recursive: true, force: true }));
  const door = openDoor({ engine: 'lmdb', data, allowFaults: true });

  test('WAITAOF has buffered writes synced, and tells where they are', async () => {
    const client = await door.connect();
    const startedMs = performance.now();
    for (let i = 0; i < 3; i++) {
      await client.call('SET', 'd', i);
      expect(await client.call('WAITAOF', 1, 2, LONG_MS)).toEqual([1, 2]);
    }
    // By itself a journal is synced when it is moved to the engine, every ten seconds: twice, behind the first one.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    const { unsyncedRecords } = door.store.stats().vnodes[0]!;
    expect(unsyncedRecords).toBe(0);
  });

  test('a disk that does not sync is no copy on disk', async () => {
    const client = await door.connect();
    const slowMs = 1_000;
    door.store.faults.inject({ kind: 'disk', at: 'n1', slowMs });
    const startedMs = performance.now();
    await client.call('SET', 'd', 'v');
    expect(await client.call('WAIT', 2, LONG_MS)).toBe(2);
    for (const [wanted, timeoutMs] of [
      [1, LONG_MS],
      [2, 50],
    ] as const) {
      const [local, others] = (await client.call('WAITAOF', 1, wanted, timeoutMs)) as [number, number];
      expect(local).toBe(1);
      // On a machine that stood still meanwhile the slow disk may have had its time.
      if (performance.now() - startedMs < slowMs) expect(others).toBe(1);
    }
    door.store.faults.clear();
    expect(await client.call('WAITAOF', 1, 2, LONG_MS)).toEqual([1, 2]);
  });
});
