import { Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { OpenedStore } from '../../src/host/opened-store.js';
import { LeaseTable } from '../../src/messaging/lease-table.js';
import { failure, openWith, refusal, text, until } from '../integration/support.js';

const LONG_MS = 60_000;
const FIXTURE = fileURLToPath(new URL('../../dist/test/cache/fixtures/loading.js', import.meta.url));

/** A worker that loads a key; what it says is listened to from the start. */
class Loader {
  readonly said: string[] = [];
  readonly worker: Worker;

  constructor(key: string, how: 'at-once' | 'wait' | 'throw' | 'hang', from = store) {
    const handle = from.handle();
    this.worker = new Worker(FIXTURE, {
      workerData: { handle, key, how },
      transferList: [...handle.transferList],
    });
    this.worker.on('message', (message: string) => this.said.push(message));
    onTestFinished(async () => void (await this.worker.terminate()));
  }

  says(message: string): Promise<void> {
    return until(`it says ${message}, not ${this.said.join()}`, () => this.said.includes(message));
  }
}

/** A load that ends when it is told to, and counts itself. */
function held(): { load: () => Promise<string>; end: (value: string) => void; readonly calls: number } {
  const ends: ((value: string) => void)[] = [];
  return {
    load: () => new Promise((resolve) => ends.push(resolve)),
    end: (value) => ends.forEach((resolve) => resolve(value)),
    get calls() {
      return ends.length;
    },
  };
}

let store: OpenedStore;
beforeAll(async () => {
  store = await openWith({ engine: 'memory', nodes: 3, memoryMiB: 48, valueBytes: 1_000 }, {});
});
afterAll(() => store.close());

function leases(): number {
  return new LeaseTable(store['connection'].view.shared.leases).held;
}

test('a call that is aborted in the turn in which it was made does not wait for the load', async () => {
  const source = held();
  const controller = new AbortController();
  const call = store.getOrSet('aborted-at-once', source.load, {
    timeoutMs: LONG_MS,
    signal: controller.signal,
  });
  controller.abort();
  expect(await failure(call)).toMatchObject({ code: 'ABORTED' });
  await until('the lease is given back', () => leases() === 0);
});

test('of all threads one loads a key, and the others have what it stored', async () => {
  const source = held();
  const here = Array.from({ length: 50 }, () => store.getOrSet('key-0', source.load, { timeoutMs: LONG_MS }));
  await until('it loads', () => source.calls === 1);
  const others = [0, 1, 2].map(() => new Loader('key-0', 'at-once'));
  await until('all are connected', () => store.stats().callers === 4);
  source.end('value');
  for (const other of others) await other.says('stored');
  expect(others.flatMap(({ said }) => said)).toEqual(['stored', 'stored', 'stored']);
  const results = await Promise.all(here);
  expect(results.map(({ value }) => text(value))).toEqual(here.map(() => 'value'));
  expect(source.calls).toBe(1);
  const again = await store.getOrSet('key-0', source.load);
  expect(again.source).toBe('stored');
  expect(again.context!.toString()).toBe(results[0]!.context!.toString());
  expect(leases()).toBe(0);
});

test.each(['throw', 'terminate'] as const)(
  'a loader whose load or thread ends by %s lets the next one load at once',
  async (ending) => {
    const loader = new Loader(ending, ending === 'throw' ? 'throw' : 'wait');
    await loader.says('loading');
    const startedMs = performance.now();
    const waiting = store.getOrSet(ending, () => 'from here', { timeoutMs: LONG_MS });
    expect(leases()).toBe(1);
    if (ending === 'terminate') await loader.worker.terminate();
    else loader.worker.postMessage('go on');
    expect(await waiting).toMatchObject({ source: 'loaded' });
    if (ending === 'throw') await loader.says('the source is down');
    expect(performance.now() - startedMs).toBeLessThan(LONG_MS / 4);
    expect(leases()).toBe(0);
  },
);

test('the lease of a thread that hangs is taken over at its deadline', async () => {
  const loader = new Loader('key-2', 'hang');
  await loader.says('loading');
  const result = await store.getOrSet('key-2', () => 'from here', { timeoutMs: LONG_MS });
  expect(result).toMatchObject({ source: 'loaded', found: true });
  await loader.worker.terminate();
  await until('its slot is back', () => store.stats().callers === 1);
  expect(leases()).toBe(0);
});

test('in one thread the error of a load is that of all who wait for it; the next one loads anew', async () => {
  let calls = 0;
  const failing = (): Promise<string> => {
    calls++;
    return Promise.reject(new Error('down'));
  };
  const both = await Promise.allSettled([store.getOrSet('key-3', failing), store.getOrSet('key-3', failing)]);
  expect(both.map((one) => one.status === 'rejected' && (one.reason as Error).message)).toEqual([
    'down',
    'down',
  ]);
  expect(calls).toBe(1);
  expect(text((await store.getOrSet('key-3', () => 'up')).value)).toBe('up');
  await expect(
    store.getOrSet('other', () => {
      throw new Error('at once');
    }),
  ).rejects.toThrow('at once');
  expect(leases()).toBe(0);
});

test('who waits too long, or is aborted, leaves; the load ends when the last one has left', async () => {
  const ends = new AbortController();
  let signal: AbortSignal | undefined;
  const load = (request: { signal: AbortSignal }): Promise<string> => {
    signal = request.signal;
    return new Promise(() => undefined);
  };
  // It must have begun to load by then.
  const first = failure(store.getOrSet('key-4', load, { timeoutMs: 500 }));
  const second = failure(store.getOrSet('key-4', load, { timeoutMs: LONG_MS, signal: ends.signal }));
  expect((await first).code).toBe('TIMEOUT');
  expect(signal!.aborted).toBe(false);
  expect(leases()).toBe(1);
  ends.abort();
  expect((await second).code).toBe('ABORTED');
  expect(signal!.aborted).toBe(true);
  await until('the lease is given up', () => leases() === 0);
  expect(await store.getOrSet('key-4', () => 'again')).toMatchObject({ source: 'loaded' });
});

test('who comes when the last one has just left has a load of its own', async () => {
  for (let turns = 0; turns < 20; turns++) {
    const ends = new AbortController();
    const source = held();
    const key = `left-${turns}`;
    const first = failure(store.getOrSet(key, source.load, { signal: ends.signal, timeoutMs: LONG_MS }));
    await until('it loads', () => source.calls === 1);
    ends.abort();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    expect(await store.getOrSet(key, () => 'own')).toMatchObject({ source: 'loaded', found: true });
    expect((await first).code).toBe('ABORTED');
  }
  expect(leases()).toBe(0);
});

test('close() ends the loads of every thread: who waits hears CLOSED at once, and the load that nobody waits for any more', async () => {
  const closing = await openWith({ engine: 'memory', nodes: 1, n: 1, memoryMiB: 16, valueBytes: 1_000 }, {});
  let signal: AbortSignal | undefined;
  const load = (request: { signal: AbortSignal }): Promise<string> => {
    signal = request.signal;
    return new Promise(() => undefined);
  };
  const here = [1, 2].map(() => failure(closing.getOrSet('key', load, { timeoutMs: LONG_MS })));
  const there = new Loader('other', 'wait', closing);
  await there.says('loading');
  await until('it loads', () => signal !== undefined);
  await closing.close();
  for (const outcome of here) expect(await outcome).toMatchObject({ code: 'CLOSED', retryable: false });
  expect(signal!.aborted).toBe(true);
  await there.says('the store is closed');
});

test('a load that ends its own call and fails is an error of that call, not of the process', async () => {
  const ends = new AbortController();
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  onTestFinished(async () => void process.off('unhandledRejection', note));
  const load = (): Promise<string> => {
    ends.abort();
    return Promise.reject(new Error('too late'));
  };
  expect((await failure(store.getOrSet('key-own-end', load, { signal: ends.signal }))).code).toBe('ABORTED');
  // Node tells of them once the microtasks are done.
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});

test('a stale value is returned at once and loaded anew once in the background', async () => {
  const options = { ttlMs: 1, staleWhileRevalidateMs: LONG_MS };
  await store.getOrSet('key-5', () => 'old', options);
  const source = held();
  let stale = await store.getOrSet('key-5', source.load, options);
  await until('it is stale', async () => {
    stale = await store.getOrSet('key-5', source.load, options);
    return stale.source === 'stale';
  });
  expect(text(stale.value)).toBe('old');
  for (let i = 0; i < 20; i++)
    expect((await store.getOrSet('key-5', source.load, options)).source).toBe('stale');
  await until('it loads', () => source.calls > 0);
  expect(source.calls).toBe(1);
  source.end('new');
  await until('it is new', async () => text((await store.get('key-5')).value) === 'new');
  // A background load that fails leaves the old value as it is.
  await until('it is stale again', async () => {
    const seen = await store.getOrSet('key-5', () => Promise.reject(new Error('down')), options);
    expect(text(seen.value)).toBe('new');
    return seen.source === 'stale';
  });
  await until('no load is under way', () => leases() === 0);
});

test('an absence is remembered for its time', async () => {
  let calls = 0;
  const nothing = (): undefined => {
    calls++;
  };
  const first = await store.getOrSet('key-6', nothing, { negativeTtlMs: LONG_MS });
  expect(first).toMatchObject({ found: false, source: 'loaded' });
  const second = await store.getOrSet('key-6', nothing, { negativeTtlMs: LONG_MS });
  expect(second).toMatchObject({ found: false, source: 'stored' });
  expect(second.absentUntilMs).toBeGreaterThan(Date.now());
  expect(calls).toBe(1);
  expect((await store.get('key-6')).found).toBe(false);
  // It is no tombstone that waits to be reaped, and a put ends it.
  expect(store.stats().vnodes.map(({ tombstones }) => tombstones)).toEqual([0, 0, 0]);
  await store.put('key-6', 'there', { context: second.context! });
  expect(text((await store.getOrSet('key-6', nothing)).value)).toBe('there');

  await store.getOrSet('short', nothing, { negativeTtlMs: 20 });
  await until('it is asked for again', async () => {
    return (await store.getOrSet('short', () => 'now')).found;
  });
  for (let i = 0; i < 3; i++) await store.getOrSet('never', nothing);
  expect(calls).toBe(5);
});

test('a load that finds nothing leaves a deleted key as it is', async () => {
  const put = await store.put('key-7', 'v');
  const { context } = await store.delete('key-7', { context: put.context });
  const result = await store.getOrSet('key-7', () => undefined);
  expect(result).toMatchObject({ found: false, source: 'loaded' });
  expect(result.context!.toString()).toBe(context.toString());
  expect((await store.get('key-7')).context!.toString()).toBe(context.toString());
});

test('a load that finds nothing any more deletes what is stale', async () => {
  const options = { ttlMs: 1, staleWhileRevalidateMs: LONG_MS };
  await store.getOrSet('key-10', () => 'old', options);
  await until('it is gone', async () => !(await store.getOrSet('key-10', () => undefined, options)).found);
});

test('what somebody put or deleted during the load counts, not what was loaded', async () => {
  const source = held();
  const put = store.getOrSet('put', source.load);
  const deleted = store.getOrSet('deleted', source.load);
  await until('both load', () => source.calls === 2);
  await store.put('put', 'newer');
  await store.delete('deleted');
  source.end('older');
  expect(await put).toMatchObject({ source: 'stored' });
  expect(text((await put).value)).toBe('newer');
  expect(await deleted).toMatchObject({ source: 'loaded', error: { code: 'CONDITION_FAILED' } });
  expect((await store.get('deleted')).found).toBe(false);
  expect((await store.get('put')).siblings).toHaveLength(1);
});

test('bad options are refused, and what is too large is not kept from the caller as a value', async () => {
  const load = (): string => 'v';
  const bad = await Promise.all([
    refusal(store.getOrSet('key-8', 'load' as never)),
    refusal(store.getOrSet('key-8', load, { ttlMs: -1 })),
    refusal(store.getOrSet('key-8', load, { staleWhileRevalidateMs: 0.5 })),
    refusal(store.getOrSet('key-8', load, { negativeTtlMs: Number.NaN })),
    refusal(store.getOrSet('', load)),
    refusal(store.getOrSet('large', () => new Uint8Array(1_001))),
    refusal(store.getOrSet('number', () => 7 as never)),
  ]);
  expect(bad.map(([code]) => code)).toEqual([
    ...Array.from({ length: 5 }, () => 'BAD_REQUEST'),
    'VALUE_TOO_LARGE',
    'BAD_REQUEST',
  ]);
  expect(leases()).toBe(0);
});
