import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VNODE_WORKER } from '../../src/host/worker-url.js';
import { ENGINES, failure, fixture, LONG, open, openSmall, temporary, text } from './support.js';

/** Names, sizes and contents of everything below a directory. */
function look(directory: string): string {
  const hash = createHash('sha256');
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    hash.update(
      `${path} ${entry.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'directory'}\n`,
    );
  }
  return hash.digest('hex');
}

const small = { nodes: 3, memoryMiB: 64 } as const;

/** It must name the remedy in one line. */
async function refused(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await failure(promise);
  expect(error.code).toBe(code);
  expect(error.message).not.toContain('\n');
  expect(error.message.length).toBeLessThan(400);
}

describe.each(ENGINES)('closing (%s)', (engine) => {
  test('every call after close() is CLOSED; close() twice is one; what was acknowledged before is done', async () => {
    const store = await openSmall(engine);
    const bucket = store.bucket('b', { n: 1 });
    const put = bucket.put('k', 'v');
    const closing = store.close();
    expect(store.close()).toBe(closing);
    await Promise.allSettled([put]);
    await closing;
    await store.close();
    const calls: (() => Promise<unknown>)[] = [
      () => store.get('k'),
      () => store.put('k', 'v'),
      () => store.delete('k'),
      () => store.increment('k'),
      () => store.getMany(['k']),
      () => store.putMany([{ key: 'k', value: 'v' }]),
      () => bucket.get('k'),
      () => bucket.setProperties({ r: 1 }),
      () => store.buckets(),
      () => store.scan().next(),
      () => store.bucket('new').put('k', 'v'),
      () => store.bucket('new').get('k'),
    ];
    for (const call of calls)
      expect(await failure(call()), String(call)).toMatchObject({
        code: 'CLOSED',
        retryable: false,
        maybeApplied: false,
      });
    expect(() => store.handle()).toThrow(expect.objectContaining({ code: 'CLOSED' }) as Error);
    expect(store.ring().nodes.flatMap(({ vnodes }) => vnodes.map(({ state }) => state))).toEqual([
      'stopped',
      'stopped',
      'stopped',
    ]);
  });

  test('close() waits for requests under way', async () => {
    const store = await openSmall(engine);
    await store.put('warm', 'up');
    const puts = Array.from({ length: 500 }, (_, i) => store.put(`k${i}`, 'v'));
    await store.close();
    expect((await Promise.allSettled(puts)).every(({ status }) => status === 'fulfilled')).toBe(true);
  });
});

test('a store is async-disposable', async () => {
  const store = await open({ engine: 'memory', nodes: 1, memoryMiB: 32 });
  await store.put('k', 'v');
  await store[Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]();
  expect(await failure(store.get('k'))).toMatchObject({ code: 'CLOSED' });
});

test('closed in good order and opened again: everything is there, with properties and contexts, without recovery', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { ...small, data });
  expect(first.startup).toMatchObject({ fresh: true, cleanShutdown: true, recoveryMs: 0 });
  const keys = Array.from({ length: LONG ? 2_000 : 500 }, (_, i) => `k${i}`);
  await first
    .bucket('lww', { conflict: 'lww', n: 2 })
    .putMany(keys.map((key) => ({ key, value: `of ${key}` })));
  const { context } = await first.put('seen', 'old');
  await Promise.all([
    first.put('siblings', 'a'),
    first.put('siblings', 'b'),
    first.increment('c', 41, { w: 'all' }),
  ]);
  await first.close();
  for (let times = 0; times < 2; times++) {
    const again = await openSmall('lmdb', { ...small, data });
    expect(again.startup).toMatchObject({
      fresh: false,
      cleanShutdown: true,
      recoveryMs: 0,
      recoveredRecords: 0,
    });
    expect(await again.bucket('lww').properties()).toMatchObject({ conflict: 'lww', n: 2 });
    const got = await again.bucket('lww').getMany(keys);
    expect(got.map(({ value }) => text(value))).toEqual(keys.map((key) => `of ${key}`));
    expect((await again.get('siblings')).siblings).toHaveLength(2);
    expect(await again.increment('c', 1, { w: 'all' })).toBe(42 + times);
    if (times === 0) await again.put('seen', 'new', { context });
    expect((await again.get('seen')).siblings.map(({ value }) => text(value))).toEqual(['new']);
    await again.close();
  }
});

test.each(['terminate', 'hold'] as const)(
  'close() right after a thread has ended takes to the disk what that thread had only in memory (%s)',
  async (how) => {
    const options = { data: join(temporary(), 'data'), nodes: 2, n: 1, memoryMiB: 64 };
    // Nothing is written before the threads end.
    const store = await openSmall('lmdb', { ...options, flushMs: 10_000, allowFaults: true });
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    await store.putMany(keys.map((key) => ({ key, value: `of ${key}` })));
    for (const vnode of [0, 1])
      expect(how === 'hold' ? store.supervisor.hold(vnode, 60_000) : store.supervisor.terminate(vnode)).toBe(
        true,
      );
    await store.close();
    const again = await openSmall('lmdb', options);
    expect(again.startup).toMatchObject({ cleanShutdown: true });
    const got = await again.getMany(keys);
    expect(got.map(({ value }) => text(value))).toEqual(keys.map((key) => `of ${key}`));
  },
);

test('one process owns a directory: a second open, here or elsewhere, is DATA_LOCKED and harms nothing', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { ...small, data });
  await store.put('k', 'v');
  await refused(open({ ...small, data }), 'DATA_LOCKED');
  const script = `import(${JSON.stringify(new URL('../../dist/src/index.js', import.meta.url).href)}).then(({ open }) => open({ data: ${JSON.stringify(data)}, nodes: 3, memoryMiB: 64 })).catch((error) => console.log(error.code, error.message))`;
  const other = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(other.stdout).toMatch(/^DATA_LOCKED [^\n]+\n$/);
  await store.put('k2', 'v');
  expect(text((await store.get('k')).value)).toBe('v');
  await store.close();
  const again = await openSmall('lmdb', { ...small, data });
  expect(again.startup.cleanShutdown).toBe(true);
});

test('another topology, a foreign and a damaged directory are refused in one line, and files stay as they were', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { ...small, data });
  for (let i = 0; i < 200; i++) await store.put(`k${i}`, 'x'.repeat(500));
  await store.close();
  const before = look(data);
  await refused(open({ ...small, data, vnodes: 2, memoryMiB: 96 }), 'TOPOLOGY_CHANGED');
  await refused(open({ ...small, data, partitions: 128 }), 'TOPOLOGY_CHANGED');
  await refused(open({ ...small, data, capacity: { n1: 2 } }), 'TOPOLOGY_CHANGED');
  expect(look(data)).toBe(before);

  const foreign = join(temporary(), 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'thesis.txt'), 'precious');
  await refused(open({ ...small, data: foreign }), 'DATA_FOREIGN');
  expect(readFileSync(join(foreign, 'thesis.txt'), 'utf8')).toBe('precious');

  const engines = readdirSync(data, { recursive: true, withFileTypes: true }).filter(
    ({ name }) => name === 'data.mdb',
  );
  expect(engines).toHaveLength(3);
  // One alone would be rebuilt from the others.
  for (const { parentPath } of engines) {
    const victim = join(parentPath, 'data.mdb');
    truncateSync(victim, Math.floor(statSync(victim).size / 2));
  }
  const damaged = look(data);
  await refused(open({ ...small, data }), 'DATA_CORRUPT');
  expect(look(data)).toBe(damaged);
});

test('options out of range are BAD_REQUEST and make no directory', async () => {
  const data = join(temporary(), 'data');
  for (const bad of [
    { nodes: 0 },
    { nodes: 65 },
    { n: 5 },
    { partitions: 48 },
    { memoryMiB: 1 },
    { engine: 'sqlite' as never },
    { flushMs: 0 },
    { foregroundP99Ms: 10_001 },
    { foregroundP99Ms: 'on' as never },
    { unknown: 1 } as never,
  ]) {
    await refused(open({ ...small, data, ...(bad as object) }), 'BAD_REQUEST');
  }
  expect(() => statSync(data)).toThrow();
});

test('a program may end itself while its store is being opened', () => {
  // The one moment that ended it otherwise is met once in a hundred runs: a thread that requires an ES module.
  expect(VNODE_WORKER).toMatch(/\.cjs$/);
  const runs = LONG ? 100 : 4;
  for (let i = 0; i < runs; i++) {
    const afterMs = 50 + (i * 500) / runs;
    const { status, signal, stderr } = spawnSync(
      process.execPath,
      [fixture('exit-child'), join(temporary(), 'data'), String(afterMs)],
      { encoding: 'utf8' },
    );
    expect({ status, signal }, `after ${afterMs} ms: ${stderr}`).toEqual({ status: 7, signal: null });
  }
}, 300_000);
