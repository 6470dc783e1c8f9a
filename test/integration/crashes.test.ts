import { mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/client/api.js';
import { ACTOR_BLOCK } from '../../src/host/actor-blocks.js';
import { ENGINES, LONG, openSmall, RingletError, temporary, text, until } from './support.js';

/** How a virtual node's thread ends; `terminate` from outside, the others by itself, in its loop or inside a put. */
const ENDINGS = [
  'throw',
  'throw in a put',
  'exit',
  'exit in a put',
  'heap',
  'terminate',
  'terminate',
] as const;
/** In short each shape begins further down the list, so that each ending is met all the same. */
const TIMES = LONG ? 140 : 3;

/** On a machine that stalls; long enough for a thread to be replaced. */
const TIMEOUT_MS = 60_000;

/** Of each lane, between its requests. */
const PAUSE_MS = 4;

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

/** It may serve a moment before the host knows it, and only then takes faults. */
async function end(store: OpenStore, ordinal: number, ending: (typeof ENDINGS)[number]): Promise<void> {
  const [fault, place] = ending.split(' in a ') as [
    'throw' | 'exit' | 'heap' | 'terminate',
    'put' | undefined,
  ];
  await until('it takes the fault', () =>
    fault === 'terminate'
      ? store.supervisor.terminate(ordinal)
      : store.supervisor.inject(ordinal, fault, place ?? 'loop'),
  );
}

/** Load whose every acknowledgement is kept, to be compared with the store at the end. */
class Load {
  readonly acknowledged = new Map<string, string>();
  readonly attempted = new Set<string>();
  readonly counters = new Map<string, { acknowledged: number; attempted: number }>();
  readonly definite: string[] = [];
  readonly unexpected: unknown[] = [];
  running = true;
  private readonly store: Pick<Store, 'get' | 'put' | 'increment'>;
  private readonly lanes: Promise<void>[];

  constructor(store: Pick<Store, 'get' | 'put' | 'increment'>, durability: 'buffered' | 'committed') {
    this.store = store;
    this.lanes = Array.from({ length: 24 }, (_, lane) => this.run(lane, durability));
  }

  private async run(lane: number, durability: 'buffered' | 'committed'): Promise<void> {
    for (let i = 0; this.running; i++) {
      const key = `k-${lane}-${i}`;
      const value = `${key} `.repeat(i % 50 === 0 ? 400 : 2);
      const counter = `c${(i + lane) % 10}`;
      const tally = this.counters.get(counter) ?? { acknowledged: 0, attempted: 0 };
      this.counters.set(counter, tally);
      try {
        this.attempted.add(key);
        await this.store.put(key, value, { durability, timeoutMs: TIMEOUT_MS });
        this.acknowledged.set(key, value);
        tally.attempted++;
        await this.store.increment(counter, 1, { durability, timeoutMs: TIMEOUT_MS });
        tally.acknowledged++;
        const old = `k-${lane}-${Math.floor(Math.random() * (i + 1))}`;
        const { value: found, degraded } = await this.store.get(old, { timeoutMs: TIMEOUT_MS });
        const got = text(found);
        // A degraded answer may lack what a thread that is down has: a hint for a thread that is up.
        if (!degraded && got !== this.acknowledged.get(old) && this.acknowledged.has(old))
          throw new Error(`${old} is ${got}`);
      } catch (error) {
        const { code, maybeApplied } = error as { code?: string; maybeApplied?: boolean };
        // Nobody waits any more: the test has failed elsewhere.
        if (code === 'CLOSED') return;
        if (code !== 'COORDINATOR_LOST' && code !== 'QUORUM_NOT_MET') this.unexpected.push(error);
        if (maybeApplied === false) this.definite.push(key);
      }
      // What is written is read again at the end.
      await pause(PAUSE_MS);
    }
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.lanes);
  }

  /** What waited for a thread that was down is where it belongs by now: owners alone are asked. */
  async check(): Promise<void> {
    expect(this.unexpected).toEqual([]);
    const all = { r: 'all', strict: true, timeoutMs: TIMEOUT_MS } as const;
    const lost: string[] = [];
    for (const [key, value] of this.acknowledged)
      if (text((await this.store.get(key, all)).value) !== value) lost.push(key);
    expect(lost, 'acknowledged and lost').toEqual([]);
    for (const [name, { acknowledged, attempted }] of this.counters) {
      const sum = Number(text((await this.store.get(name, all)).value) ?? 0);
      expect(sum, name).toBeGreaterThanOrEqual(acknowledged);
      expect(sum, name).toBeLessThanOrEqual(attempted);
    }
  }
}

const shapes = ENGINES.flatMap((engine) => [1, 3].map((n) => [engine, n] as const)).map(
  ([engine, n], i) => [engine, n, i * 2] as const,
);

describe.each(shapes)('threads that die under load (%s, N=%i)', (engine, n, firstEnding) => {
  test(
    `${TIMES} times, by all means: up again at once, nothing acknowledged is lost`,
    async () => {
      const rejections: unknown[] = [];
      const note = (reason: unknown): void => void rejections.push(reason);
      process.on('unhandledRejection', note);
      const store = await openSmall(engine, { n, memoryMiB: 192 }, { faults: true, heapMiB: 64 });
      const load = new Load(store, engine === 'lmdb' ? 'committed' : 'buffered');
      const restarts: number[] = [];
      for (let i = 0; i < TIMES; i++) {
        const ordinal = i % 3;
        const acknowledged = load.acknowledged.size;
        await until('the load goes on', () => load.acknowledged.size > acknowledged + 100);
        const vnode = (): ReturnType<OpenStore['stats']>['vnodes'][number] => store.stats().vnodes[ordinal]!;
        const { incarnation } = vnode();
        await end(store, ordinal, ENDINGS[(firstEnding + i) % ENDINGS.length]!);
        await until('it has died', () => vnode().state !== 'serving' || vnode().incarnation > incarnation);
        const diedMs = performance.now();
        await until(
          'it serves again',
          () => vnode().state === 'serving' && vnode().incarnation === incarnation + 1,
        );
        restarts.push(Math.round(performance.now() - diedMs));
      }
      await load.stop();
      await until('the hints have drained', () =>
        store.stats().vnodes.every(({ state, hints }) => state === 'serving' && hints.waiting === 0),
      );
      await load.check();
      process.off('unhandledRejection', note);
      expect(rejections).toEqual([]);
      console.log(
        `${engine} N=${n}: restarts in ms ${restarts.join(' ')}; ${load.acknowledged.size} puts, ${load.definite.length} refused`,
      );
      expect(store.stats().vnodes.reduce((sum, { restarts: count }) => sum + count, 0)).toBe(TIMES);
      // A second is what is promised where nothing else runs; other programs share a machine that tests.
      if (LONG) expect(restarts.toSorted((a, b) => a - b)[Math.floor(TIMES / 2)]).toBeLessThan(2_000);
    },
    LONG ? 900_000 : 300_000,
  );
});

describe.each(ENGINES)('one thread that dies (%s)', (engine) => {
  test('requests to it wait for its successor (N=1), and end by their deadline when that is shorter', async () => {
    const store = await openSmall(engine, { nodes: 1 }, { faults: true });
    await store.put('k', 'v');
    const patient = { timeoutMs: 60_000 };
    const requests = {
      get: async () => expect((await store.get('absent-too', patient)).found).toBe(false),
      put: () => store.put('k2', 'v', patient),
      scan: async () => {
        for await (const { key } of store.scan(patient)) expect(key.length).toBeGreaterThan(0);
      },
    };
    for (const request of Object.values(requests)) {
      const before = store.stats().vnodes[0]!.incarnation;
      // Until somebody says so there is no successor.
      await until('it is terminated', () => store.supervisor.hold(0, 600_000));
      await until('it is known to be down', () => store.stats().vnodes[0]!.state === 'stopped');
      const waits = request();
      const late = store.get('absent', { timeoutMs: 1 }).catch((error: unknown) => error);
      const latePut = store.put('late', 'x', { timeoutMs: 1 }).catch((error: unknown) => error);
      expect(await late).toMatchObject({ code: 'QUORUM_NOT_MET', retryable: true });
      expect(await latePut).toMatchObject({ code: 'QUORUM_NOT_MET', maybeApplied: false });
      store.supervisor.release(0);
      await waits;
      expect(store.stats().vnodes[0]!.incarnation).toBe(before + 1);
      expect((await store.get('late')).context).toBeUndefined();
    }
    expect(text((await store.get('k')).value)).toBe('v');
  });

  test('every thread makes its dots under an actor that nobody had before', async () => {
    const store = await openSmall(engine, { nodes: 1 });
    const vectors = new Set<string>();
    for (let i = 0; i < 4; i++) {
      // The first write of a thread: its actor and the number 1, or this context was there before.
      vectors.add(String((await store.put(`first-of-${i}`, 'x')).context));
      await end(store, 0, 'terminate');
      await until(
        'the next one serves',
        () => store.stats().vnodes[0]!.incarnation === i + 2 && store.stats().vnodes[0]!.state === 'serving',
      );
    }
    expect(vectors.size).toBe(4);
  });

  test('a thread that hangs is terminated and replaced, and others serve meanwhile (N=3)', async () => {
    const store = await openSmall(engine, {}, { faults: true, hungMs: 2_000, silenceMs: 0 });
    for (let i = 0; i < 50; i++) await store.put(`k${i}`, 'v');
    await until('it takes the fault', () => store.supervisor.inject(1, 'hang'));
    await Promise.all(
      Array.from({ length: 50 }, async (_, i) => expect(text((await store.get(`k${i}`)).value)).toBe('v')),
    );
    await until(
      'it is replaced',
      () => store.stats().vnodes[1]!.incarnation > 1 && store.stats().vnodes[1]!.state === 'serving',
    );
    for (let i = 0; i < 50; i++)
      await store.put(`k${i}`, 'w', { context: (await store.get(`k${i}`)).context! });
  });

  test.runIf(process.platform === 'linux')(
    'no thread is started but for a virtual node: a spare that still loaded at a close took the process with it',
    async () => {
      const store = await openSmall(engine, { nodes: 1 });
      const threads = (): number => readdirSync('/proc/self/task').length;
      const before = threads();
      await end(store, 0, 'terminate');
      await until('the next one serves', () => store.stats().vnodes[0]!.incarnation === 2);
      await until('as many threads as before', () => threads() === before);
      await store.close();
    },
  );

  test('faults are refused by a store that was not opened for them', async () => {
    const store = await openSmall(engine, { nodes: 1 });
    expect(store.supervisor.inject(0, 'exit')).toBe(false);
    await store.put('k', 'v');
    expect(store.stats().vnodes[0]!.restarts).toBe(0);
  });
});

test('where the disk takes no actor number for another thread its virtual node stays down, until it does; the process goes on', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { data, nodes: 2, n: 2, w: 1 });
  await store.put('k', 'v', { w: 2 });
  // What the next block of numbers is written to; those of this one are used up.
  const inTheWay = join(data, 'actors.tmp');
  mkdirSync(inTheWay);
  const useUp = (): void => {
    for (let i = 0; i <= ACTOR_BLOCK; i++) store.supervisor['freshActor']();
  };
  expect(useUp).toThrow(RingletError);
  let lastMs = performance.now();
  const isUp = (): boolean => {
    const ended = store.supervisor.terminate(0);
    if (ended) lastMs = performance.now();
    return ended;
  };
  // Threads have some of their own still.
  await until(
    'no thread begins any more',
    () => !isUp() && store.supervisor.lastError?.code === 'IO' && performance.now() - lastMs > 1_500,
    120_000,
  );
  expect(text((await store.get('k')).value)).toBe('v');
  rmdirSync(inTheWay);
  await until('another thread serves', isUp);
});
