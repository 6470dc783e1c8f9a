import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Bucket, StoreStats } from '../../src/client/api.js';
import { ENGINES, openSmall, refusal, temporary, text, until } from '../integration/support.js';

const VALUE = 'x'.repeat(1_000);

function cached(stats: StoreStats): { entries: number; bytes: number; evicted: number } {
  const sum = { entries: 0, bytes: 0, evicted: 0 };
  for (const { cached: mine } of stats.vnodes) {
    sum.entries += mine.entries;
    sum.bytes += mine.bytes;
    sum.evicted += mine.evicted;
  }
  return sum;
}

async function fill(bucket: Bucket, from: number, to: number): Promise<void> {
  const keys = Array.from({ length: to - from }, (_, i) => `key-${from + i}`);
  const outcomes = await bucket.putMany(keys.map((key) => ({ key, value: `${key} ${VALUE}` })));
  expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
}

/** Each virtual node has evicted all that is over its part of the limit: no key leaves any more by itself. */
function isWithin({ vnodes }: StoreStats, limit: number): boolean {
  return vnodes.every(({ cached: { bytes } }) => bytes <= limit / vnodes.length);
}

/** And every put is counted. */
function hasTaken(stats: StoreStats, limit: number, puts: number): boolean {
  const { entries, evicted } = cached(stats);
  return entries + evicted === puts && isWithin(stats, limit);
}

/** Which keys are there; each with its own value. */
async function there(bucket: Bucket, from: number, to: number): Promise<number[]> {
  const keys = Array.from({ length: to - from }, (_, i) => from + i);
  const results = await bucket.getMany(keys.map((key) => `key-${key}`));
  for (const [i, { found, value }] of results.entries())
    if (found) expect(text(value)!.startsWith(`key-${keys[i]!} `)).toBe(true);
  return keys.filter((_, i) => results[i]!.found);
}

describe.each(ENGINES)('a cache bucket (%s)', (engine) => {
  test('takes every put, keeps to its limit, and what is read stays while others pass', async () => {
    const store = await openSmall(engine, { nodes: 2 });
    const limit = 3 << 19;
    const bucket = store.bucket('cache', { cache: true, maxBytes: limit });
    await fill(bucket, 0, 500);
    expect(await there(bucket, 0, 500)).toHaveLength(500);
    for (let at = 1_000; at < 6_000; at += 1_000) await fill(bucket, at, at + 1_000);
    await until('it is within its limit', () => hasTaken(store.stats(), limit, 5_500));
    const { entries } = cached(store.stats());
    expect(entries).toBeGreaterThan(1_000);
    expect((await there(bucket, 0, 500)).length).toBeGreaterThan(490);
    expect(await there(bucket, 0, 6_000)).toHaveLength(entries);
    expect(await bucket.properties()).toMatchObject({ n: 1, r: 1, w: 1, conflict: 'lww', strict: true });

    // What was evicted can be put again, and a smaller limit holds at once.
    await bucket.put('key-1000', 'key-1000 again');
    expect(text((await bucket.get('key-1000')).value)).toBe('key-1000 again');
    await bucket.setProperties({ maxBytes: limit / 4 });
    await until('it has shrunk', () => isWithin(store.stats(), limit / 4));
    expect(await there(bucket, 0, 6_000)).toHaveLength(cached(store.stats()).entries);
  });

  test('a thread that is replaced finds its cache again', async () => {
    const store = await openSmall(engine, { nodes: 2, allowFaults: true });
    const bucket = store.bucket('cache', { cache: true, maxBytes: 1 << 20 });
    await fill(bucket, 0, 1_500);
    // What is over it by a record would be evicted by the next thread, and be missed then.
    await until('it is within its limit', () => hasTaken(store.stats(), 1 << 20, 1_500));
    const before = cached(store.stats());
    for (const node of ['n1', 'n2']) store.faults.inject({ kind: 'crash', at: node });
    await until('all are back', () => {
      const { vnodes } = store.stats();
      return vnodes.every(({ restarts, state }) => restarts === 1 && state === 'serving');
    });
    await until('all is counted', () => cached(store.stats()).entries === before.entries);
    expect(await there(bucket, 0, 1_500)).toHaveLength(before.entries);
    await fill(bucket, 2_000, 3_000);
    await until('it is within its limit', () => isWithin(store.stats(), 1 << 20));
  });
});

test('caches give way where a memory engine is full; other data is refused only when there are none left', async () => {
  const store = await openSmall('memory', { nodes: 1, memoryMiB: 16, cacheMiB: 12, valueBytes: 10_000 });
  const cache = store.bucket('cache', { cache: true });
  const plain = store.bucket('plain', { n: 1 });
  await fill(cache, 0, 13_000);
  await until('it is full', () => cached(store.stats()).bytes > 11 << 20);
  await fill(plain, 0, 6_000);
  expect(await there(plain, 0, 6_000)).toHaveLength(6_000);
  expect(cached(store.stats()).bytes).toBeLessThan(10 << 20);
  await fill(cache, 20_000, 24_000);
  expect(await there(plain, 0, 6_000)).toHaveLength(6_000);
});

test('a cache gives way although all of it was read lately', async () => {
  const store = await openSmall('memory', { nodes: 1, memoryMiB: 16, cacheMiB: 12, valueBytes: 10_000 });
  const cache = store.bucket('cache', { cache: true });
  await fill(cache, 0, 13_000);
  await until('it is full', () => cached(store.stats()).bytes > 11 << 20);
  expect((await there(cache, 0, 13_000)).length).toBeGreaterThan(5_000);
  await fill(store.bucket('plain', { n: 1 }), 0, 6_000);
});

test('with LMDB a cache stays in memory while other data passes through the buffer', async () => {
  const store = await openSmall('lmdb', { nodes: 1, memoryMiB: 16, valueBytes: 10_000 });
  const cache = store.bucket('cache', { cache: true });
  const plain = store.bucket('plain', { n: 1, conflict: 'lww' });
  await fill(cache, 0, 2_000);
  await until('all are counted', () => cached(store.stats()).entries === 2_000);
  for (let at = 0; at < 18_000; at += 2_000) {
    await fill(plain, at, at + 2_000);
    expect(cached(store.stats()).entries).toBe(2_000);
  }
  expect(await there(cache, 0, 2_000)).toHaveLength(2_000);
  expect(cached(store.stats()).evicted).toBe(0);
});

test('after a restart a cache is as it was; what was evicted does not come back', async () => {
  const options = { data: join(temporary(), 'data'), nodes: 2, valueBytes: 10_000 };
  const store = await openSmall('lmdb', options);
  const bucket = store.bucket('cache', { cache: true, maxBytes: 2 << 20 });
  await fill(bucket, 0, 3_000);
  await until('it is within its limit', () => hasTaken(store.stats(), 2 << 20, 3_000));
  const before = await there(bucket, 0, 3_000);
  await store.close();
  const again = await openSmall('lmdb', options);
  expect(await there(again.bucket('cache'), 0, 3_000)).toEqual(before);
  await until('all is counted', () => cached(again.stats()).entries === before.length);
  await again.close();
  // With less room than it has it keeps what fits.
  const small = await openSmall('lmdb', { ...options, cacheMiB: 1 });
  await until('it is within its limit', () => {
    const { bytes, evicted } = cached(small.stats());
    return bytes <= 1_050_000 && evicted > 0;
  });
  await until('all that is left is in memory', async () => {
    const left = (await there(small.bucket('cache'), 0, 3_000)).length;
    return left === cached(small.stats()).entries;
  });
});

test('a read by message counts like a direct one', async () => {
  const store = await openSmall('memory', { nodes: 1, directReads: false });
  const bucket = store.bucket('cache', { cache: true, maxBytes: 1 << 20 });
  await fill(bucket, 0, 200);
  expect(await there(bucket, 0, 200)).toHaveLength(200);
  await fill(bucket, 1_000, 4_000);
  await until('it is within its limit', () => hasTaken(store.stats(), 1 << 20, 3_200));
  expect(await there(bucket, 0, 200)).toHaveLength(200);
});

test('what a cache is not is refused, and a bucket stays what it is', async () => {
  const store = await openSmall('memory');
  const refused = (properties: object): Promise<unknown[]> =>
    refusal((async () => store.bucket('b', properties).put('k', 'v'))());
  const bad = await Promise.all(
    [
      { cache: true, n: 2 },
      { cache: true, conflict: 'siblings' },
      { cache: true, strict: false },
      { cache: true, maxBytes: 1_000 },
      { cache: 'yes' },
      { maxBytes: 1 << 20 },
    ].map(refused),
  );
  expect(bad.map(([code]) => code)).toEqual(bad.map(() => 'BAD_REQUEST'));
  await store.bucket('plain', { n: 1, conflict: 'lww', strict: true }).put('k', 'v');
  const mismatch = await refusal(store.bucket('plain', { cache: true }).put('k', 'v'));
  expect(mismatch[0]).toBe('BUCKET_MISMATCH');
  expect((await refusal(store.bucket('plain').setProperties({ cache: true })))[0]).toBe('BUCKET_MISMATCH');
});
