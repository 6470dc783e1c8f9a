import { describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import type { OpenOptions } from '../../src/client/api.js';
import { connect, failure, openSmall, text, until } from './support.js';

/** As users have them: what falls silent is suspected. */
const QUICK = { silenceMs: 0 };

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

/** Whether the host, which hears of a thread's end and start after the words in shared memory, can do it. */
function injects(store: OpenStore, fault: Parameters<OpenStore['faults']['inject']>[0]): boolean {
  try {
    store.faults.inject(fault);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_REQUEST' });
    return false;
  }
}

/** Somebody would have waited for a deadline: that is what nobody has to. */
const OUTAGE_MS = LIMITS.timeoutMs;

/** Puts, and gets of what was put, in some lanes with a short pause; all answers are kept. */
class Load {
  readonly acknowledged = new Map<string, string>();
  readonly errors: { readonly code: string; readonly maybeApplied: boolean; readonly atMs: number }[] = [];
  readonly lost: string[] = [];
  /** The longest time without any answer. */
  outageMs = 0;
  answers = 0;
  private lastMs = performance.now();
  private running = true;
  private readonly lanes: readonly Promise<void>[];

  constructor(store: OpenStore, lanes = 8) {
    this.lanes = Array.from({ length: lanes }, (_, lane) => this.run(store, lane));
    onTestFinished(() => this.stop());
  }

  private async run(store: OpenStore, lane: number): Promise<void> {
    for (let i = 0; this.running; i++) {
      const key = `k-${lane}-${i}`;
      const atMs = performance.now();
      try {
        await store.put(key, key);
        this.acknowledged.set(key, key);
        this.answered();
        const old = `k-${lane}-${Math.floor(Math.random() * (i + 1))}`;
        const got = text((await store.get(old)).value);
        if (this.acknowledged.has(old) && got !== old) this.lost.push(old);
        this.answered();
      } catch (error) {
        this.errors.push({ ...(error as { code: string; maybeApplied: boolean }), atMs });
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 2);
      });
    }
  }

  private answered(): void {
    const nowMs = performance.now();
    this.outageMs = Math.max(this.outageMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.answers++;
  }

  /** From here on a new outage is measured; returns the time. */
  mark(): number {
    this.outageMs = 0;
    this.lastMs = performance.now();
    return this.lastMs;
  }

  async more(count: number): Promise<void> {
    const from = this.answers;
    await until('requests go on', () => this.answers > from + count);
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.lanes);
  }
}

const suspectedBy = (store: OpenStore): Record<string, readonly string[]> =>
  Object.fromEntries(
    store.ring().nodes.flatMap(({ vnodes }) => vnodes.map((vnode) => [vnode.id, vnode.suspectedBy])),
  );

const noSuspicion = (store: OpenStore): Promise<void> =>
  until('nobody is suspected', () => Object.values(suspectedBy(store)).every((by) => by.length === 0));

const open = (options: OpenOptions = {}): Promise<OpenStore> =>
  openSmall('memory', { nodes: 3, n: 3, r: 2, w: 2, allowFaults: true, ...options }, QUICK);

/** What was sent before all suspect who fell silent may have been taken by it: nobody can say more of it. */
function expectOnlyMaybes(load: Load, suspectedMs: number): void {
  for (const { code, maybeApplied, atMs } of load.errors) {
    expect([['TIMEOUT', 'COORDINATOR_LOST', 'QUORUM_NOT_MET'].includes(code), maybeApplied]).toEqual([
      true,
      true,
    ]);
    expect(atMs).toBeLessThan(suspectedMs);
  }
}

describe.each([true, false])('faults of links, direct reads %s (N=3, R=W=2)', (directReads) => {
  test('the links of a node are cut: all puts and gets go on, the suspicion is seen, and goes when they heal', async () => {
    const store = await open({ directReads });
    const load = new Load(store);
    await load.more(500);
    await noSuspicion(store);
    load.mark();
    store.faults.inject({ kind: 'link', from: 'n1', to: 'all', cut: true });
    await until('n1 is suspected by all, and suspects all', () => {
      const { 'n1.0': one, 'n2.0': two, 'n3.0': three } = suspectedBy(store);
      return one!.length === 3 && two!.length === 1 && three!.length === 1;
    });
    const suspectedMs = performance.now();
    expect(suspectedBy(store)['n1.0']).toEqual(['n2.0', 'n3.0', 'caller 0']);
    await load.more(500);
    expect(load.outageMs).toBeLessThan(OUTAGE_MS);
    store.faults.clear();
    await noSuspicion(store);
    await load.more(500);
    const coordinated = store.stats().vnodes[0]!.coordinated;
    await until('n1 coordinates again', () => store.stats().vnodes[0]!.coordinated > coordinated + 20);
    await load.stop();
    expect(load.lost).toEqual([]);
    expectOnlyMaybes(load, suspectedMs);
    for (const key of load.acknowledged.keys()) expect(text((await store.get(key)).value)).toBe(key);
  });

  test('links that drop, repeat, reorder and delay: every put and get is answered, nothing is lost', async () => {
    const store = await open({ directReads });
    store.faults.inject({
      kind: 'link',
      from: 'all',
      to: 'all',
      drop: 0.02,
      duplicate: 0.1,
      reorder: 0.1,
      delayMs: 1,
      jitterMs: 3,
    });
    const load = new Load(store, 16);
    await load.more(100);
    for (let i = 0; i < 8; i++) {
      await store.increment('counter').catch((error: unknown) => {
        expect(error).toMatchObject({ maybeApplied: true });
      });
    }
    await load.stop();
    store.faults.clear();
    expect(load.lost).toEqual([]);
    for (const { code, maybeApplied } of load.errors)
      expect([['TIMEOUT', 'COORDINATOR_LOST', 'QUORUM_NOT_MET'].includes(code), maybeApplied]).toEqual([
        true,
        true,
      ]);
    expect(Number(text((await store.get('counter', { r: 'all' })).value))).toBeLessThanOrEqual(8);
    for (const key of load.acknowledged.keys()) expect(text((await store.get(key)).value)).toBe(key);
  });
});

describe('faults of threads', () => {
  test('a virtual node that hangs for 3 s: requests go on through the others, and through it afterwards', async () => {
    const store = await open();
    const load = new Load(store);
    await load.more(500);
    load.mark();
    store.faults.inject({ kind: 'hang', at: 'n2.0', forMs: 3_000 });
    await until('it is suspected by the others and by us', () => suspectedBy(store)['n2.0']!.length === 3);
    const suspectedMs = performance.now();
    const { answers } = load;
    let meanwhile = 0;
    await until('nobody is suspected', () => {
      // Whoever still hangs is still suspected.
      if (suspectedBy(store)['n2.0']!.length === 3) meanwhile = load.answers - answers;
      return Object.values(suspectedBy(store)).every((by) => by.length === 0);
    });
    expect(meanwhile).toBeGreaterThan(50);
    await load.more(200);
    await load.stop();
    expect(load.outageMs).toBeLessThan(OUTAGE_MS);
    expect(load.lost).toEqual([]);
    expectOnlyMaybes(load, suspectedMs);
    expect(store.stats().vnodes.map(({ restarts }) => restarts)).toEqual([0, 0, 0]);
  });

  test('a node is stopped for a while, all its virtual nodes, and started early by clear', async () => {
    const store = await open({ vnodes: 2 });
    const states = (): string[] => store.stats().vnodes.map(({ state }) => state);
    const incarnations = (): number[] => store.stats().vnodes.map(({ incarnation }) => incarnation);
    const both = ['serving', 'serving'];
    await store.put('k', 'v');
    store.faults.inject({ kind: 'stop', at: 'n2', forMs: 3_600_000 });
    await until('it is stopped', () => states().join() === [...both, 'stopped', 'stopped', ...both].join());
    expect(text((await store.get('k')).value)).toBe('v');
    store.faults.clear();
    await until('it is back', () => states().every((state) => state === 'serving'));
    expect(incarnations()).toEqual([1, 1, 2, 2, 1, 1]);
    // Its thread serves a moment before the host has heard of it.
    await until('the host knows', () => injects(store, { kind: 'stop', at: 'n2.1', forMs: 200 }));
    await until('it is back by itself', () => incarnations()[3] === 3 && states()[3] === 'serving');
    expect(incarnations()).toEqual([1, 1, 2, 3, 1, 1]);
    const views = (): number => new Set(store.stats().vnodes.map(({ membership }) => membership)).size;
    await until('gossip has told everybody of the new incarnations', () => views() === 1);
  });

  test('a crashed thread is replaced; a store closes while a node is stopped', async () => {
    const store = await open();
    store.faults.inject({ kind: 'crash', at: 'n1' });
    const first = (): { incarnation: number; state: string } => store.stats().vnodes[0]!;
    await until('it is replaced', () => first().incarnation === 2 && first().state === 'serving');
    // Its thread serves a moment before the host has heard of it.
    await until('the host knows', () => store.supervisor.hold(0, 3_600_000));
    await until('it is stopped', () => first().state === 'stopped');
    const again = await failure(
      Promise.resolve().then(() => store.faults.inject({ kind: 'crash', at: 'n1' })),
    );
    expect([again.code, again.details]).toEqual(['BAD_REQUEST', { at: 'n1', down: 1, of: 1 }]);
    await store.close();
  });
});

test('while a link to callers is broken, no caller reads that virtual node directly', async () => {
  const store = await open();
  const other = connect(store.handle());
  onTestFinished(() => other.close());
  await store.put('k', 'v', { w: 'all' });
  for (const caller of [store, other]) {
    const how = async (): Promise<string[]> => {
      const { timeline } = await caller.get('k', { r: 'all', timeline: true });
      return timeline!
        .filter(({ event }) => event === 'direct-read' || event === 'answered')
        .map(({ event, vnode }) => `${event} ${vnode}`)
        .toSorted();
    };
    const direct = ['direct-read n1.0', 'direct-read n2.0', 'direct-read n3.0'];
    expect(await how()).toEqual(direct);
    store.faults.inject({ kind: 'link', from: 'n2', to: 'callers', oneWay: true, delayMs: 5 });
    expect(await how()).toEqual(['answered n2.0', 'direct-read n1.0', 'direct-read n3.0']);
    store.faults.clear();
    expect(await how()).toEqual(direct);
  }
});

test('a store that was not opened for it takes no faults, and says how to', async () => {
  const store = await openSmall('memory', { nodes: 1 });
  for (const attempt of [
    () => store.faults.inject({ kind: 'crash', at: 'n1' }),
    () => store.faults.clear(),
  ]) {
    const refused = await failure(Promise.resolve().then(attempt));
    expect([refused.code, refused.retryable]).toEqual(['FAULTS_OFF', false]);
    expect(refused.message).toContain('--allow-faults');
  }
  expect(store.stats().faults).toEqual({ allowed: false, links: [], disks: [] });
});

test('what is armed is seen in stats, replaced by the next request for the link, and heals by itself', async () => {
  const store = await open();
  const links = (): unknown[] => [...store.stats().faults.links];
  const none = { cut: false, drop: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };
  store.faults.inject({ kind: 'link', from: 'n1', to: 'callers', oneWay: true, drop: 0.5, delayMs: 2.5 });
  expect(links()).toEqual([{ ...none, from: 'n1.0', to: 'callers', drop: 0.5, delayMs: 2.5 }]);
  store.faults.inject({ kind: 'link', from: 'callers', to: 'n1.0', cut: true, forMs: 50 });
  expect(links()).toEqual([
    { ...none, from: 'n1.0', to: 'callers', cut: true },
    { ...none, from: 'callers', to: 'n1.0', cut: true },
  ]);
  await until('it heals', () => links().length === 0);
  store.faults.inject({ kind: 'link', from: 'all', to: 'all', cut: true });
  expect(links()).toHaveLength(12);
  store.faults.clear();
  expect(links()).toEqual([]);
});
