import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import type { Handle, HostStore } from '../../src/client/api.js';
import type { Order } from './fixtures/caller.js';
import { connect, failure, fixture, openSmall, RingletError, text, until } from './support.js';

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: ConstructorParameters<typeof RingletError>[0] extends never ? never : { code: string };
}

/** A worker thread with a store of its own, as the main thread sees it. */
async function caller(
  store: HostStore,
): Promise<{ worker: Worker; ask(order: Omit<Order, 'id'>): Promise<unknown> }> {
  const handle = store.handle();
  const worker = new Worker(fixture('caller'), {
    workerData: { handle },
    transferList: [...handle.transferList],
  });
  onTestFinished(async () => void (await worker.terminate()));
  const waiting = new Map<number, (answer: Answer) => void>();
  let next = 0;
  const answerOf = (id: number): Promise<Answer> =>
    new Promise((resolve, reject) => {
      waiting.set(id, resolve);
      worker.once('error', reject);
    });
  worker.on('message', (answer: Answer) => waiting.get(answer.id)?.(answer));
  worker.setMaxListeners(0);
  await answerOf(-1);
  return {
    worker,
    async ask(order) {
      const id = next++;
      worker.postMessage({ id, ...order });
      const { result, error } = await answerOf(id);
      if (error !== undefined) throw Object.assign(new RingletError('INTERNAL', error.code), error);
      return result;
    },
  };
}

test('two threads see each other: writes at once, buckets that either of them makes, changed properties', async () => {
  const store = await openSmall('memory');
  const a = await caller(store);
  const b = await caller(store);
  for (let i = 0; i < 200; i++) {
    const [writer, reader] = i % 2 === 0 ? [a, b] : [b, a];
    await writer.ask({ bucket: `bucket-${i % 20}`, method: 'put', args: [`k${i}`, `v${i}`] });
    expect(await reader.ask({ bucket: `bucket-${i % 20}`, method: 'get', args: [`k${i}`] })).toMatchObject({
      text: `v${i}`,
    });
    expect(text((await store.bucket(`bucket-${i % 20}`).get(`k${i}`)).value)).toBe(`v${i}`);
  }
  await a.ask({ bucket: 'lww', properties: { conflict: 'lww', n: 2 }, method: 'put', args: ['k', 'v'] });
  expect(await b.ask({ bucket: 'lww', method: 'properties', args: [] })).toMatchObject({
    conflict: 'lww',
    n: 2,
  });
  await expect(
    b.ask({ bucket: 'lww', properties: { n: 1 }, method: 'get', args: ['k'] }),
  ).rejects.toMatchObject({ code: 'BUCKET_MISMATCH' });
  await b.ask({ bucket: 'lww', method: 'setProperties', args: [{ r: 1 }] });
  expect(await a.ask({ bucket: 'lww', method: 'properties', args: [] })).toMatchObject({ r: 1 });
  expect(await a.ask({ method: 'buckets', args: [] })).toHaveLength(21);
  for (const one of [a, b]) await one.ask({ method: 'increment', args: ['c', 5, { w: 'all' }] });
  expect(await a.ask({ method: 'get', args: ['c'] })).toMatchObject({ text: '10' });
  expect((await b.ask({ bucket: 'bucket-3', method: 'scan', args: [] })) as string[]).toHaveLength(10);
});

test('a thread that polls a bucket without a pause hears of it when another makes it', async () => {
  const store = await openSmall('memory');
  const a = await caller(store);
  const polled = a.ask({ bucket: 'to-come', method: 'poll', args: ['k'] });
  await store.bucket('unrelated').put('k', 'x');
  await store.bucket('to-come').put('k', 'there');
  expect(await polled).toBe('there');
});

/** What a thread answers that stands still until something has been done elsewhere. */
async function answerAfter(
  a: Awaited<ReturnType<typeof caller>>,
  order: Omit<Order, 'id'>,
  done: () => Promise<unknown>,
): Promise<unknown> {
  const flag = new Int32Array(new SharedArrayBuffer(4));
  const blocked = new Promise((resolve) => {
    a.worker.on('message', ({ id }: Answer) => id === -2 && resolve(undefined));
  });
  const answer = a.ask({ ...order, args: [flag, ...order.args] });
  await blocked;
  await done();
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  return answer;
}

test('a get that begins after the first write to a new bucket was acknowledged elsewhere finds it', async () => {
  const store = await openSmall('memory');
  const order = { bucket: 'brand-new', method: 'get after', args: ['k'] };
  const put = (): Promise<unknown> => store.bucket('brand-new').put('k', 'v', { w: 'all' });
  expect(await answerAfter(await caller(store), order, put)).toBe('v');
});

test('properties() of another thread are those that were acknowledged before', async () => {
  const store = await openSmall('memory');
  const bucket = store.bucket('changed');
  await bucket.put('k', 'v');
  const order = { bucket: 'changed', method: 'properties after', args: [] };
  const set = (): Promise<unknown> => bucket.setProperties({ r: 1 });
  expect(await answerAfter(await caller(store), order, set)).toMatchObject({ n: 3, r: 1 });
});

test('slots are counted: TOO_MANY_CALLERS, release() of an unsent handle, none of a sent one', async () => {
  const store = await openSmall('memory', { maxCallers: 4 });
  const handles = [store.handle(), store.handle(), store.handle()];
  expect(() => store.handle()).toThrow(
    expect.objectContaining({ code: 'TOO_MANY_CALLERS', details: { maxCallers: 4 } }) as Error,
  );
  expect(store.stats().callers).toBe(4);
  for (const handle of handles) handle.release();
  await until('the slots are free', () => store.stats().callers === 1);
  for (const handle of handles) handle.release();
  const a = await caller(store);
  const unsent = store.handle();
  // Without its port a handle cannot be cloned; its slot is still there to be released.
  expect(() => new Worker(fixture('caller'), { workerData: { handle: unsent } })).toThrow(/transfer/i);
  unsent.release();
  await until('one worker has a slot', () => store.stats().callers === 2);
  expect(await a.ask({ method: 'put', args: ['k', 'v'] })).toMatchObject({});
});

test('release() of a handle that was sent takes nothing from the thread that has it', async () => {
  const store = await openSmall('memory', { maxCallers: 2 });
  const handle = store.handle();
  const worker = new Worker(fixture('caller'), {
    workerData: { handle },
    transferList: [...handle.transferList],
  });
  onTestFinished(async () => void (await worker.terminate()));
  await once(worker, 'message');
  handle.release();
  for (let i = 0; i < 20; i++) {
    worker.postMessage({ id: i, method: 'put', args: ['k', `v${i}`] } satisfies Order);
    expect((await once(worker, 'message'))[0]).not.toHaveProperty('error');
  }
  expect(store.stats().callers).toBe(2);
  expect(() => store.handle()).toThrow(expect.objectContaining({ code: 'TOO_MANY_CALLERS' }) as Error);
});

test('a handle serves one connect(), in whatever thread; what is no handle is refused', async () => {
  const store = await openSmall('memory');
  const handle = store.handle();
  const mine = connect(handle);
  await mine.put('k', 'v');
  expect(text((await store.get('k')).value)).toBe('v');
  expect(() => connect(handle)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }) as Error);
  for (const wrong of [{}, { transferList: [] }, { kind: 'ringlet-handle', transferList: [{}] }]) {
    expect(() => connect(wrong as unknown as Handle)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }) as Error,
    );
  }
  await mine.close();
  expect(await failure(mine.get('k'))).toMatchObject({ code: 'CLOSED' });
  expect(await failure(mine.put('k', 'x'))).toMatchObject({ code: 'CLOSED', maybeApplied: false });
  expect(await failure(mine.bucket('b').setProperties({ r: 1 }))).toMatchObject({ code: 'CLOSED' });
  await until('the slot is free', () => store.stats().callers === 1);
});

test('after close() of the store every call through a handle rejects with CLOSED, also those under way', async () => {
  const store = await openSmall('memory');
  const a = await caller(store);
  await a.ask({ method: 'put', args: ['k', 'v'] });
  const under = Array.from({ length: 50 }, (_, i) =>
    a.ask({ bucket: `b${i}`, method: 'put', args: ['k', 'v'] }),
  );
  const outcomes = Promise.allSettled(under);
  await store.close();
  for (const outcome of await outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'CLOSED' });
  for (const method of ['get', 'put', 'delete', 'increment', 'setProperties', 'buckets']) {
    const args = method === 'put' ? ['k', 'v'] : method === 'setProperties' ? [{ r: 1 }] : ['k'];
    await expect(
      a.ask({ method, args: method === 'increment' ? ['k', 1] : args }),
      method,
    ).rejects.toMatchObject({ code: 'CLOSED' });
  }
  await expect(a.ask({ bucket: 'new', method: 'scan', args: [] })).rejects.toMatchObject({ code: 'CLOSED' });
});

test('a put to a new bucket ends at its deadline although the thread that makes buckets is busy', async () => {
  const store = await openSmall('memory');
  const a = await caller(store);
  const ended = new Int32Array(new SharedArrayBuffer(4));
  const put = a.ask({ bucket: 'new', method: 'put and tell', args: [ended, 'k', 'v', { timeoutMs: 50 }] });
  // This thread, which makes buckets, does nothing else until the put has ended.
  expect(Atomics.wait(ended, 0, 0, 30_000)).not.toBe('timed-out');
  expect(await failure(put)).toMatchObject({ code: 'TIMEOUT', maybeApplied: false });
  await a.ask({ bucket: 'new', method: 'put', args: ['k', 'v'] });
  expect((await store.bucket('new').get('k')).siblings).toHaveLength(1);
});
