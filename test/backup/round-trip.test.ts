import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Store } from '../../src/client/api.js';
import { STORE_RETAINS } from '../../src/messaging/layout.js';
import {
  ENGINES,
  LONG,
  failure,
  open,
  openSmall,
  temporary,
  text,
  texts,
  until,
} from '../integration/support.js';
import { restore } from '../../src/index.js';

/** Everything that a user can see of some keys. */
async function seen(
  store: Store,
  keys: readonly (readonly [string, string | Uint8Array])[],
): Promise<unknown[]> {
  return Promise.all(
    keys.map(async ([bucket, key]) => {
      const { found, siblings, context } = await store.bucket(bucket).get(key, { r: 'all' });
      return {
        bucket,
        key: Buffer.from(key).toString('hex'),
        found,
        context: context?.toString(),
        siblings: siblings
          .map(({ value, ...rest }) => ({ ...rest, value: Buffer.from(value).toString('hex') }))
          .toSorted((a, b) => (a.value < b.value ? -1 : 1)),
      };
    }),
  );
}

// The other engine is under load below.
test.each(LONG ? ENGINES : (['memory'] as const))(
  'siblings, deletions, counters, lifetimes, bytes and buckets come back (%s), in the same and another topology',
  async (engine) => {
    const store = await openSmall(engine);
    const users = store.bucket('users', {
      durability: engine === 'lmdb' ? 'committed' : 'buffered',
      r: 1,
      w: 3,
    });
    const last = store.bucket('last', { conflict: 'lww', ttlMs: 3_600_000 });
    const key = new Uint8Array([0xff, 0, 0x80]);
    await users.put(key, new Uint8Array([0, 1, 2]), { contentType: 'image/png' });
    await users.put('siblings', 'one');
    await users.put('siblings', 'two', { contentType: 'text/x' });
    await users.put('deleted', 'here');
    await users.delete('deleted');
    await users.increment('counter', 5);
    await users.increment('counter', 2);
    await users.put('big', Buffer.alloc(300_000, 7));
    await last.put('lives', 'an hour');
    await last.put('lives', 'an hour, again');
    for (let i = 0; i < 300; i++) await users.put(`k${i}`, `v${i}`);
    const keys = [
      ...['siblings', 'deleted', 'counter', 'big', 'k7', 'k299', key].map((name) => ['users', name] as const),
      ['last', 'lives'] as const,
    ];
    const directory = temporary();
    const file = join(directory, 'backup');
    const summary = await store.backup(file);
    expect(summary).toMatchObject({ buckets: 2, records: 306, damagedCopies: 0, without: [] });
    expect(readdirSync(directory)).toEqual(['backup']);
    expect(summary.bytes).toBe(readFileSync(file).length);
    const before = await seen(store, keys);
    const properties = await store.buckets();

    const options = { memoryMiB: 96 };
    for (const topology of engine === 'lmdb' ? [{}] : [{ nodes: 4, partitions: 16, memoryMiB: 128 }]) {
      const data = join(directory, `data-${Object.keys(topology).length}`);
      const restored = await restore(file, { ...options, ...topology, data });
      expect(restored).toMatchObject({ data, records: 306, copies: 306 * 3 });
      const again = await open({ ...options, ...topology, data });
      onTestFinished(() => again.close());
      expect(again.startup.cleanShutdown).toBe(true);
      expect(await seen(again, keys)).toEqual(before);
      expect(await again.buckets()).toEqual(properties);
      expect(again.ring().partitions).toBe('partitions' in topology ? 16 : 64);
      expect(again.ring().nodes.length).toBe('nodes' in topology ? 4 : 3);
      // It goes on, under actors that the original will not have.
      const { context } = await again.bucket('users').get('siblings');
      await again.bucket('users').put('siblings', 'resolved', { context: context! });
      expect(await again.bucket('users').increment('counter', 1)).toBe(8);
      const { preferenceList } = await again.bucket('users').inspect('siblings');
      const actors = preferenceList.flatMap(({ versions }) => versions.map(({ actor }) => actor));
      expect(Math.max(...actors)).toBeGreaterThan(2 ** 20);
      expect(texts(await again.bucket('users').get('siblings'))).toEqual(['resolved']);
      expect(text((await again.bucket('last').get('lives')).value)).toBe('an hour, again');
      // Its times are above those that came with it.
      await again.bucket('last').put('lives', 'newest');
      expect(text((await again.bucket('last').get('lives')).value)).toBe('newest');
      await again.close();
    }
  },
);

test('all that was acknowledged before it began is in it: under load, with hints on their way to an owner that is back', async () => {
  const store = await openSmall('lmdb', { nodes: 4, memoryMiB: 128 }, { faults: true });
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
  const acknowledged = new Map<string, number>();
  let count = 0;
  const bucket = store.bucket('load', { conflict: 'lww', r: 2, w: 2 });
  const write = async (key: string): Promise<void> => {
    const value = ++count;
    await bucket.put(key, String(value));
    acknowledged.set(key, Math.max(acknowledged.get(key) ?? 0, value));
  };
  await Promise.all(keys.map(write));
  store.supervisor.hold(1, 600_000);
  await until('it is down', () => store.stats().vnodes[1]!.state === 'stopped');
  await Promise.all(keys.map(write));
  const load = { stopped: false };
  // Each key has one writer, which leaves it after a failure: two writes at the same time could end either way.
  const writers = Promise.all(
    Array.from({ length: 8 }, async (_, writer) => {
      const own = keys.filter((_key, i) => i % 8 === writer);
      for (let i = 0; !load.stopped && own.length > 0; i++) {
        const at = i % own.length;
        await write(own[at]!).catch(() => own.splice(at, 1));
      }
    }),
  );
  store.supervisor.release(1);
  await until('it serves', () => store.stats().vnodes[1]!.state === 'serving');
  const before = new Map(acknowledged);
  const directory = temporary();
  const file = join(directory, 'backup');
  await store.backup(file);
  load.stopped = true;
  await writers;
  await store.close();
  const data = join(directory, 'data');
  await restore(file, { data, memoryMiB: 128 });
  const restored = await open({ data, memoryMiB: 128 });
  onTestFinished(() => restored.close());
  for (const [key, value] of before) {
    const found = await restored.bucket('load').get(key);
    expect(Number(text(found.value)), key).toBeGreaterThanOrEqual(value);
  }
});

test('a backup refuses what it cannot be: a file that exists, a ring that changes, an unknown or absent virtual node', async () => {
  const store = await openSmall('memory', {}, { faults: true });
  const directory = temporary();
  const file = join(directory, 'backup');
  writeFileSync(file, 'something');
  expect((await failure(store.backup(file))).message).toContain('exists; name a new file');
  expect(readFileSync(file, 'utf8')).toBe('something');
  const other = join(directory, 'other');
  expect((await failure(store.backup(other, { without: ['n9.0'] }))).message).toContain(
    'no virtual node n9.0',
  );
  const stream = store.backupStream();
  await stream.next();
  expect(await failure(store.members.join({ node: 'n4' }))).toMatchObject({ code: 'RING_CHANGING' });
  await stream.return?.();
  const aborted = AbortSignal.abort();
  expect(await failure(store.backup(other, { signal: aborted }))).toMatchObject({ code: 'ABORTED' });
  expect(existsSync(other)).toBe(false);
  store.supervisor.hold(2, 600_000);
  await until('it is down', () => store.stats().vnodes[2]!.state === 'stopped');
  await store.put('a', 'b');
  const summary = await store.backup(other, { without: ['n3.0'] });
  expect(summary).toMatchObject({ records: 1, without: ['n3.0'] });
  expect(readdirSync(directory).toSorted()).toEqual(['backup', 'other']);
});

test('a restore refuses a directory that is not empty, too few nodes, and a backup that is damaged, and leaves nothing', async () => {
  const store = await openSmall('memory');
  for (let i = 0; i < 50; i++) await store.put(`k${i}`, 'v'.repeat(100));
  const directory = temporary();
  const file = join(directory, 'backup');
  await store.backup(file);
  const full = join(directory, 'full');
  mkdirSync(full);
  writeFileSync(join(full, 'something'), '');
  const options = { data: join(directory, 'data'), memoryMiB: 96 };
  expect((await failure(restore(file, { ...options, data: full }))).message).toContain(
    'is not empty (1 entries',
  );
  expect((await failure(restore(file, { ...options, nodes: 2 }))).message).toContain(
    'bucket default has n = 3',
  );
  expect(await failure(restore(file, { ...options, data: file }))).toMatchObject({ code: 'IO' });
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  const damaged = join(directory, 'damaged');
  writeFileSync(damaged, bytes);
  expect(await failure(restore(damaged, options))).toMatchObject({ code: 'DATA_CORRUPT' });
  expect(await failure(restore(join(directory, 'none'), options))).toMatchObject({ code: 'IO' });
  const dangling = join(directory, 'dangling');
  symlinkSync(join(directory, 'gone'), dangling);
  expect(await failure(restore(file, { ...options, data: dangling }))).toMatchObject({ code: 'IO' });
  expect(readdirSync(directory).toSorted()).toEqual(['backup', 'damaged', 'dangling', 'full']);
});

test('a restore whose file becomes another backup while it is read says so, and leaves nothing', async () => {
  const store = await openSmall('memory');
  await store.put('a', 'first');
  const directory = temporary();
  const [file, later] = [join(directory, 'backup'), join(directory, 'later')];
  await store.backup(file);
  await store.bucket('made-since', { n: 2 }).put('b', 'second');
  await store.backup(later);
  let reads = false;
  const options = {
    data: join(directory, 'data'),
    memoryMiB: 96,
    // The restore looks at this between the verification and the reading.
    get partitions(): number {
      if (reads && existsSync(later)) renameSync(later, file);
      return 64;
    },
  };
  const restoring = restore(file, options);
  reads = true;
  expect(await failure(restoring)).toMatchObject({
    code: 'IO',
    message: expect.stringContaining('changed while'),
  });
  expect(readdirSync(directory)).toEqual(['backup']);
});

test('a restore that is aborted, while it verifies or while it fills the directory, leaves nothing', async () => {
  const store = await openSmall('memory');
  await store.put('a', 'value');
  const directory = temporary();
  const file = join(directory, 'backup');
  await store.backup(file);
  const ends = new AbortController();
  const options = {
    data: join(directory, 'data'),
    memoryMiB: 96,
    // The restore looks at this between the verification and the reading.
    get partitions(): number {
      if (verified) ends.abort();
      return 64;
    },
  };
  let verified = false;
  const restoring = restore(file, options, ends);
  verified = true;
  expect(await failure(restoring)).toMatchObject({ code: 'ABORTED' });
  const { partitions: _partitions, ...rest } = options;
  expect(await failure(restore(file, rest, ends))).toMatchObject({ code: 'ABORTED' });
  expect(await failure(restore(file, rest, { signal: 'now' as never }))).toMatchObject({
    code: 'BAD_REQUEST',
  });
  expect(readdirSync(directory)).toEqual(['backup']);
});

test('a backup that waits for a virtual node ends when it is aborted, and lets copies and ring go', async () => {
  const store = await openSmall('memory', { nodes: 2, allowFaults: true });
  await store.put('k', 'v', { w: 'all' });
  store.faults.inject({ kind: 'link', from: 'n2', to: 'all', cut: true, forMs: 60_000 });
  const retaining = (): number => new Int32Array(store['connection'].view.shared.control)[STORE_RETAINS]!;
  const ends = new AbortController();
  const stream = store.backupStream({ signal: ends.signal });
  await stream.next();
  const failed = stream.next().then(() => failure(stream.next()));
  await setImmediate();
  expect(retaining()).toBe(1);
  ends.abort();
  expect((await failed).code).toBe('ABORTED');
  expect(retaining()).toBe(0);
  store.faults.clear();
});
