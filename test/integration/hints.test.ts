import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENGINES, type Failure, failure, openSmall, temporary, text, texts, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;
const KEYS = 300;

/** Ends the thread of a virtual node and waits until everybody can see that. */
async function down(store: OpenStore, ordinal: number): Promise<void> {
  expect(store.supervisor.hold(ordinal, 600_000)).toBe(true);
  await until('it is down', () => store.stats().vnodes[ordinal]!.state === 'stopped');
}

async function back(store: OpenStore, ordinal: number): Promise<void> {
  store.supervisor.release(ordinal);
  await until('it serves', () => store.stats().vnodes[ordinal]!.state === 'serving');
}

/** How a request fails once it has had the time to hear of the two owners that are there. */
async function refusal(request: (timeoutMs: number) => Promise<unknown>): Promise<Failure> {
  for (let timeoutMs = 100; ; timeoutMs *= 2) {
    const error = await failure(request(timeoutMs));
    if (error.details['got'] === 2 || timeoutMs > 20_000) return error;
  }
}

const waiting = (store: OpenStore): number =>
  store.stats().vnodes.reduce((sum, { hints }) => sum + hints.waiting, 0);
const delivered = (store: OpenStore): number =>
  store.stats().vnodes.reduce((sum, { hints }) => sum + hints.delivered, 0);

/** Keys whose owners, by number in the preference list, include a virtual node. */
async function ownedBy(store: OpenStore, id: string, n: number): Promise<string[]> {
  const { preferenceLists, partitions } = store.ring();
  const { createHash } = await import('node:crypto');
  return Array.from({ length: KEYS }, (_, i) => `k${i}`).filter((key) => {
    const digest = createHash('sha1').update(key).digest();
    const partition = Math.floor(digest.readUInt32BE(0) / (2 ** 32 / partitions));
    return preferenceLists[partition]!.slice(0, n).includes(id);
  });
}

describe.each(ENGINES)('hinted handoff (%s)', (engine) => {
  test('puts with W = N = 3 succeed while an owner of 4 is down, and it has them all when it is back', async () => {
    const store = await openSmall(engine, { nodes: 4, memoryMiB: 128 }, { faults: true });
    const keys = Array.from({ length: KEYS }, (_, i) => `k${i}`);
    await Promise.all(keys.map((key) => store.put(key, 'old', { w: 'all' })));
    await down(store, 2);
    const owned = await ownedBy(store, 'n3.0', 3);
    expect(owned.length).toBeGreaterThan(KEYS / 3);
    for (const key of keys) {
      const { context } = await store.get(key);
      await store.put(key, 'new', { w: 'all', context: context! });
      const read = await store.get(key, { r: 'all' });
      expect(text(read.value), key).toBe('new');
      expect(read.degraded, key).toBe(owned.includes(key));
    }
    // Each key of the one that is down waits at one other.
    await until('all hints are counted', () => waiting(store) === owned.length);
    const holders = store.stats().vnodes.filter(({ hints }) => hints.waiting > 0);
    for (const { hints } of holders) {
      expect(hints.owners).toEqual(['n3.0']);
      expect(hints.bytes).toBeGreaterThan(0);
    }
    await back(store, 2);
    for (const key of keys) expect(text((await store.get(key, { r: 'all' })).value), key).toBe('new');
    await until('the hints have drained, and nobody is asked for them', () =>
      store.stats().vnodes.every(({ hints }) => hints.waiting === 0 && hints.owners.length === 0),
    );
    await until('each was delivered', () => delivered(store) === owned.length);
    // Nobody but the owners is asked now.
    for (const key of owned) {
      const read = await store.get(key, { r: 'all', timeline: true });
      expect(texts(read), key).toEqual(['new']);
      expect(read.degraded, key).toBe(false);
      expect(
        read.timeline!.filter(({ event }) => event === 'sent' || event === 'direct-read').length,
      ).toBeLessThan(4);
    }
  });

  test('a strict put or get counts owners only, by option, by bucket, and says how many there are', async () => {
    const store = await openSmall(engine, { nodes: 4, memoryMiB: 128 }, { faults: true });
    await down(store, 1);
    const [key] = await ownedBy(store, 'n2.0', 3);
    const refused = { code: 'QUORUM_NOT_MET', details: { need: 3, got: 2 }, maybeApplied: false };
    expect(
      await refusal((timeoutMs) => store.put(key!, 'x', { w: 'all', timeoutMs, strict: true })),
    ).toMatchObject(refused);
    const strict = store.bucket('strict', { strict: true });
    expect(await refusal((timeoutMs) => strict.put(key!, 'x', { w: 'all', timeoutMs }))).toMatchObject(
      refused,
    );
    await strict.put(key!, 'sloppy', { w: 'all', strict: false });
    expect(text((await strict.get(key!, { r: 'all', strict: false })).value)).toBe('sloppy');
    expect(await refusal((timeoutMs) => strict.get(key!, { r: 'all', timeoutMs }))).toMatchObject(refused);
    const all = store.bucket('all', { r: 3, w: 3 });
    await all.put(key!, 'sloppy');
    expect((await all.get(key!)).degraded).toBe(true);
    expect(await refusal((timeoutMs) => all.get(key!, { strict: true, timeoutMs }))).toMatchObject(refused);
    await strict.setProperties({ strict: false });
    expect((await strict.get(key!, { r: 'all' })).degraded).toBe(true);
    expect(await failure(store.put(key!, 'x', { strict: 1 as never }))).toMatchObject({
      code: 'BAD_REQUEST',
    });
    await back(store, 1);
    await until('the hints have drained', () => waiting(store) === 0);
    expect((await strict.get(key!, { r: 'all', strict: true })).degraded).toBe(false);
  });

  test('increments, deletes and puts go on while the only owner is down (N=1, 3 nodes)', async () => {
    const store = await openSmall(engine, { nodes: 3 }, { faults: true });
    const bucket = store.bucket('one', { n: 1 });
    const keys = await ownedBy(store, 'n1.0', 1);
    const [counter, gone, kept] = keys as [string, string, string];
    expect(await bucket.increment(counter, 5)).toBe(5);
    await bucket.put(gone, 'x');
    const { context } = await bucket.get(gone);
    await down(store, 0);
    for (let round = 0; round < 3; round++) {
      await bucket.increment(counter, 1);
      await bucket.put(kept, `blind ${round}`);
    }
    await bucket.delete(gone, { context: context! });
    expect((await bucket.get(gone)).degraded).toBe(true);
    await back(store, 0);
    await until('the hints have drained', () => waiting(store) === 0);
    expect(text((await bucket.get(counter)).value)).toBe('8');
    expect((await bucket.get(gone)).found).toBe(false);
    expect(texts(await bucket.get(kept))).toEqual(['blind 0', 'blind 1', 'blind 2']);
    // What the fallback let go it has forgotten: its next dots must be new ones.
    await down(store, 0);
    await bucket.increment(counter, 1);
    await bucket.put(kept, 'blind 3');
    await back(store, 0);
    await until('the hints have drained', () => waiting(store) === 0);
    expect(text((await bucket.get(counter)).value)).toBe('9');
    expect(texts(await bucket.get(kept))).toEqual(['blind 0', 'blind 1', 'blind 2', 'blind 3']);
    const seen: string[] = [];
    for await (const { key } of bucket.scan()) seen.push(Buffer.from(key).toString());
    expect(seen.toSorted()).toEqual([counter, kept].toSorted());
  });
});

describe('hints on disk', () => {
  test('hints that wait at a close are there after the next open, and drain', async () => {
    const data = join(temporary(), 'data');
    const store = await openSmall('lmdb', { nodes: 4, memoryMiB: 128, data }, { faults: true });
    const owned = await ownedBy(store, 'n3.0', 3);
    await down(store, 2);
    for (const key of owned) await store.put(key, 'new', { w: 'all' });
    await until('all hints are counted', () => waiting(store) === owned.length);
    await store.close();
    const again = await openSmall('lmdb', { nodes: 4, memoryMiB: 128, data }, { faults: true });
    // Before they have drained, or after: a read of all owners sees them.
    for (const key of owned) expect(texts(await again.get(key, { r: 'all' })), key).toEqual(['new']);
    await until('the hints have drained', () => waiting(again) === 0 && delivered(again) === owned.length);
    for (const key of owned) {
      const read = await again.get(key, { r: 'all', strict: true });
      expect(texts(read), key).toEqual(['new']);
    }
    const seen: string[] = [];
    for await (const { key } of again.scan()) seen.push(Buffer.from(key).toString());
    expect(seen.toSorted()).toEqual(owned.toSorted());
  });

  test('a holder that dies with its hints still has them', async () => {
    const store = await openSmall('lmdb', { nodes: 4, memoryMiB: 128 }, { faults: true });
    const owned = await ownedBy(store, 'n3.0', 3);
    await down(store, 2);
    for (const key of owned) await store.put(key, 'new', { w: 'all' });
    await until('all hints are counted', () => waiting(store) === owned.length);
    for (const holder of [0, 1, 3]) {
      const { incarnation } = store.stats().vnodes[holder]!;
      expect(store.supervisor.terminate(holder)).toBe(true);
      const vnode = () => store.stats().vnodes[holder]!;
      await until('another serves', () => vnode().incarnation > incarnation && vnode().state === 'serving');
    }
    await until('all hints are listed again', () => waiting(store) === owned.length);
    await back(store, 2);
    await until('the hints have drained', () => waiting(store) === 0);
    for (const key of owned)
      expect(texts(await store.get(key, { r: 'all', strict: true })), key).toEqual(['new']);
  });
});
