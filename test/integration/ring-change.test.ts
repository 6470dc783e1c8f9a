import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { mayMount, mountSmall } from './mounts.js';
import { ENGINES, failure, openSmall, openWith, PACE, PATIENT, temporary, text, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;
const KEYS = 400;
/** No stall of a machine takes so long. */
const PATIENTLY = { timeoutMs: 30_000 };

/** Clients that write and read all the time; what was acknowledged, per key, is never missing from a read. */
class Load {
  readonly acknowledged = new Map<string, number>();
  private readonly store: OpenStore;
  private readonly lanes: Promise<void>[];
  private stopped = false;
  readonly faults: string[] = [];
  puts = 0;

  constructor(store: OpenStore, lanes = 8) {
    this.store = store;
    this.lanes = Array.from({ length: lanes }, (_, lane) => this.run(lane, lanes));
  }

  private async run(lane: number, lanes: number): Promise<void> {
    for (let i = lane; !this.stopped; i += lanes) {
      const key = `k${i % KEYS}`;
      const known = this.acknowledged.get(key) ?? 0;
      try {
        const { context, value, degraded } = await this.store.get(key, PATIENTLY);
        const found = Number(text(value) ?? '0');
        if (found < known && !degraded)
          this.faults.push(`${key} reads ${found} after ${known} was acknowledged`);
        await this.store.put(key, String(known + 1), {
          ...PATIENTLY,
          ...(context === undefined ? {} : { context }),
        });
        this.acknowledged.set(key, known + 1);
        this.puts++;
      } catch (error) {
        this.faults.push(`${key}: ${String(error)}`);
      }
      // Threads that move data shall have time for it.
      await pause(2);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.lanes);
  }

  async check(store: OpenStore): Promise<void> {
    expect(this.faults).toEqual([]);
    for (const [key, count] of this.acknowledged)
      expect(text((await store.get(key, { r: 'all' })).value), key).toBe(String(count));
  }
}

describe.each(ENGINES)('a ring change (%s)', (engine) => {
  test('a node joins and another leaves while clients read and write; nothing acknowledged is lost', async () => {
    const store = await openSmall(engine, { nodes: 3, memoryMiB: 96 });
    const load = new Load(store);
    await until('clients are at work', () => load.puts > 200);
    const epoch = store.ring().epoch;
    const plan = await store.members.planJoin({ node: 'n4', capacity: 2 });
    await store.members.join({ node: 'n4', capacity: 2 });
    expect(await failure(store.members.leave('n1'))).toMatchObject({ code: 'RING_CHANGING' });
    expect(await store.members.finished()).toMatchObject({
      change: 'join',
      node: 'n4',
      phase: 'done',
      partitions: plan.partitions.length,
    });
    const joined = store.ring();
    expect(joined.epoch).not.toBe(epoch);
    expect(joined.change).toBeUndefined();
    expect(joined.nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(joined.nodes[3]!.vnodes[0]!.partitions).toBeGreaterThan(joined.nodes[0]!.vnodes[0]!.partitions);
    const { puts } = load;
    await until('clients go on', () => load.puts > puts + 200);
    await store.members.leave('n2');
    expect(await store.members.finished()).toMatchObject({ change: 'leave', node: 'n2', phase: 'done' });
    expect(store.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n3', 'n4']);
    const after = load.puts;
    await until('clients still go on', () => load.puts > after + 200);
    await load.stop();
    await load.check(store);
    const stoppedMs = performance.now();
    await until('all replicas that are left have been found equal', () =>
      store
        .stats()
        .vnodes.every(({ inSyncMs }) => inSyncMs !== null && inSyncMs < performance.now() - stoppedMs),
    );
  });
});

test('a directory opens with the nodes that it has, and with another number it changes its ring', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 3, data });
  for (let i = 0; i < KEYS; i++) await store.put(`k${i}`, `v${i}`);
  await store.members.join({ node: 'n4' });
  await store.members.finished();
  await store.close();
  const again = await openWith({ data, memoryMiB: 96 }, { pace: PACE, ...PATIENT });
  onTestFinished(() => again.close());
  expect(again.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4']);
  for (let i = 0; i < KEYS; i++) expect(text((await again.get(`k${i}`, { r: 'all' })).value)).toBe(`v${i}`);
  await again.close();
  const more = await openSmall('lmdb', { nodes: 5, data });
  await until('n5 has joined', () => more.members.progress?.phase === 'done');
  expect(more.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4', 'n5']);
  await more.close();
  const fewer = await openSmall('lmdb', { nodes: 3, data });
  await until('n4 has left', () => fewer.ring().nodes.length === 3);
  await fewer.members.finished();
  expect(fewer.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3']);
  for (let i = 0; i < KEYS; i++) expect(text((await fewer.get(`k${i}`, { r: 'all' })).value)).toBe(`v${i}`);
});

test('a start that names as many nodes as stay behind when one has left takes no other out, and puts that one back if one more is named', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 4, n: 2, data });
  for (let i = 0; i < KEYS; i++) await store.put(`k${i}`, `v${i}`);
  await store.members.leave('n2');
  await store.close();
  const again = await openSmall('lmdb', { nodes: 3, n: 2, data });
  expect(await again.members.finished()).toMatchObject({ change: 'leave', node: 'n2', phase: 'done' });
  expect(again.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n3', 'n4']);
  await again.members.leave('n1');
  await again.close();
  const more = await openSmall('lmdb', { nodes: 3, n: 2, data });
  expect(await more.members.finished()).toMatchObject({ change: 'join', node: 'n1', phase: 'done' });
  expect(more.ring().nodes.map(({ id }) => id)).toEqual(['n3', 'n4', 'n1']);
});

test('a start that names fewer nodes than a bucket has replicas is refused, and changes nothing', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 4, data });
  await store.bucket('wide').put('k', 'v');
  await store.close();
  expect(await failure(openWith({ data, nodes: 2, memoryMiB: 64 }, PATIENT))).toMatchObject({
    code: 'BAD_REQUEST',
    details: { bucket: 'wide', n: 3, nodes: 2 },
  });
  const again = await openWith({ data, memoryMiB: 64 }, PATIENT);
  onTestFinished(() => again.close());
  expect(again.startup).toMatchObject({ cleanShutdown: true });
  expect(again.ring().nodes).toHaveLength(4);
});

test('a store that is closed in the middle of a change goes on with it when it is opened again', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 3, data }, { faults: true });
  const keys = Array.from({ length: 1_000 }, (_, i) => `k${i}`);
  await Promise.all(keys.map((key) => store.put(key, `v-${key}`, { w: 'all' })));
  // One that gives is away: the change cannot be done before the close.
  store.supervisor.hold(0, 600_000);
  await until('it is down', () => store.stats().vnodes[0]!.state === 'stopped');
  await store.members.join({ node: 'n4' });
  expect(store.members.progress).toMatchObject({ phase: 'moving', handed: 0 });
  await store.close();
  const again = await openWith({ data, memoryMiB: 96 }, { pace: PACE, ...PATIENT });
  onTestFinished(() => again.close());
  expect(again.ring().nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3', 'n4']);
  expect(await again.members.finished()).toMatchObject({ change: 'join', node: 'n4', phase: 'done' });
  for (const key of keys) expect(text((await again.get(key, { r: 'all' })).value)).toBe(`v-${key}`);
});

test('a joiner that never serves again is abandoned: the ring is as it was, and can change again', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 3, data }, { faults: true });
  for (let i = 0; i < 50; i++) await store.put(`k${i}`, `v${i}`);
  const { epoch } = store.ring();
  // One that gives is away: nothing can be handed over.
  store.supervisor.hold(0, 600_000);
  await until('it is down', () => store.stats().vnodes[0]!.state === 'stopped');
  await store.members.join({ node: 'n4' });
  expect(await failure(store.members.rollBack({ abandon: true }))).toMatchObject({
    code: 'RING_CHANGING',
  });
  store.supervisor.hold(3, 600_000);
  await until('it is down', () => store.stats().vnodes[3]!.state === 'stopped');
  // By itself it would have to hand over its hints first.
  expect(await store.members.rollBack()).toMatchObject({ phase: 'cleaning' });
  expect(await store.members.rollBack({ abandon: true })).toMatchObject({ change: 'join', node: 'n4' });
  expect(await store.members.finished()).toMatchObject({ phase: 'rolled back' });
  store.supervisor.release(0);
  await until('it serves', () => store.stats().vnodes[0]!.state === 'serving');
  await until('its directory is gone', () => !existsSync(join(data, 'nodes', 'n4')));
  expect(store.ring().epoch).toBe(epoch);
  for (let i = 0; i < 50; i++) expect(text((await store.get(`k${i}`)).value)).toBe(`v${i}`);
  await store.members.join({ node: 'n4' });
  expect(await store.members.finished()).toMatchObject({ phase: 'done', node: 'n4' });
});

test('a change that has handed nothing over is taken back, and its directory goes', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { nodes: 3, data }, { faults: true });
  for (let i = 0; i < 100; i++) await store.put(`k${i}`, `v${i}`);
  const { epoch } = store.ring();
  // One that gives is away: nothing can be handed over.
  store.supervisor.hold(0, 600_000);
  await until('it is down', () => store.stats().vnodes[0]!.state === 'stopped');
  await store.members.join({ node: 'n4' });
  expect(existsSync(join(data, 'nodes', 'n4'))).toBe(true);
  await store.members.rollBack();
  expect(await store.members.finished()).toMatchObject({ phase: 'rolled back' });
  store.supervisor.release(0);
  await until('it serves', () => store.stats().vnodes[0]!.state === 'serving');
  expect(store.ring().epoch).toBe(epoch);
  // Whoever waits for the change does not wait for the threads of the joiner.
  await until('its directory is gone', () => !existsSync(join(data, 'nodes', 'n4')));
  for (let i = 0; i < 100; i++) expect(text((await store.get(`k${i}`)).value)).toBe(`v${i}`);
  // The name is free again.
  await store.members.join({ node: 'n4' });
  expect(await store.members.finished()).toMatchObject({ phase: 'done', node: 'n4' });
});

test.each([0, 5, 30])(
  'a store that closes %i ms after a join was asked for says so to whoever waits for it, at once',
  async (ms) => {
    const store = await openSmall('lmdb');
    const joining = failure(store.members.join({ node: 'n4' }));
    await pause(ms);
    await store.close();
    const startedMs = performance.now();
    expect(await joining).toMatchObject({ code: 'CLOSED' });
    expect(performance.now() - startedMs).toBeLessThan(10_000);
  },
);

test('a node that joins begins with nothing, whatever is left of one of its name that could not be removed', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { data, nodes: 3, memoryMiB: 64 });
  await store.put('k', 'v');
  const left = join(data, 'nodes', 'n4', 'n4.0', 'journal');
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, 'left'), 'of the last n4');
  await store.members.join({ node: 'n4' });
  expect(readdirSync(left)).not.toContain('left');
  await store.members.finished();
  expect(text((await store.get('k')).value)).toBe('v');
});

test.skipIf(!mayMount())(
  'a node whose directory is a mount point leaves, and the store opens without it; its data is gone',
  async () => {
    const data = join(temporary(), 'data');
    const options = { data, memoryMiB: 64 };
    const first = await openSmall('lmdb', { ...options, nodes: 4 });
    await first.put('k', 'v', { w: 'all' });
    await first.close();
    const directory = join(data, 'nodes', 'n4');
    renameSync(directory, join(data, 'moved'));
    mkdirSync(directory);
    mountSmall(96, directory);
    cpSync(join(data, 'moved'), directory, { recursive: true, preserveTimestamps: true });
    const store = await openSmall('lmdb', { ...options, nodes: 3 });
    await store.members.finished();
    await until('its data is gone', () => readdirSync(directory).length === 0);
    await store.close();
    const again = await openSmall('lmdb', options);
    expect(text((await again.get('k')).value)).toBe('v');
  },
);
