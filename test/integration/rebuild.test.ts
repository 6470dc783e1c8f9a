import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cutFromTheStart, failure, openSmall, temporary, text, texts, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

const KEYS = 200;
const valueOf = (i: number): string => `value ${i} `.repeat(1 + (i % 20));

/** Whoever is left has everything. */
const ALL = { w: 'all', timeoutMs: 30_000 } as const;

async function fill(store: OpenStore): Promise<void> {
  await Promise.all(Array.from({ length: KEYS }, (_, i) => store.put(`k${i}`, valueOf(i), ALL)));
  const { context } = await store.get('k0');
  await store.delete('k0', { context: context!, ...ALL });
  for (let i = 0; i < 10; i++) await store.increment('counter', i, ALL);
}

/** Every answer that is not degraded is right; strictly, none is degraded. */
async function check(store: OpenStore, strict = false): Promise<void> {
  for (let i = 1; i < KEYS; i++) {
    const { value, degraded } = await store.get(`k${i}`, { strict });
    if (!degraded || value !== undefined) expect(text(value), `k${i}`).toBe(valueOf(i));
  }
  const counter = await store.get('counter', { strict });
  if (!counter.degraded) expect(text(counter.value)).toBe('45');
  expect((await store.get('k0', { strict })).found).toBe(false);
}

const state = (store: OpenStore, id: string): string =>
  store.stats().vnodes.find((vnode) => vnode.id === id)!.state;
const whole = (store: OpenStore): Promise<void> =>
  until('all are whole', () => store.stats().vnodes.every((vnode) => vnode.state === 'serving'));

const directory = (data: string, vnode: string, ...rest: string[]): string =>
  join(data, 'nodes', vnode.split('.')[0]!, vnode, ...rest);

const DAMAGES: readonly (readonly [string, (data: string, vnode: string) => void])[] = [
  ['deleted', (data, vnode) => rmSync(directory(data, vnode), { recursive: true })],
  ['emptied', (data, vnode) => truncateSync(directory(data, vnode, 'engine', 'data.mdb'))],
  [
    'cut in half',
    (data, vnode) => {
      const file = directory(data, vnode, 'engine', 'data.mdb');
      truncateSync(file, Math.floor(readFileSync(file).length / 2));
    },
  ],
];

test('directories that are lost one after the other are rebuilt: at the end nothing is of the first ones (N=3)', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data });
  await fill(first);
  await first.close();
  for (const [i, [, damage]] of DAMAGES.entries()) {
    const vnode = `n${i + 1}.0`;
    damage(data, vnode);
    const store = await openSmall('lmdb', { data });
    await check(store);
    await whole(store);
    await check(store, true);
    await until('its mark is gone', () => !existsSync(directory(data, vnode, 'rebuild.json')));
    await store.close();
    expect(
      readdirSync(join(data, 'nodes', `n${i + 1}`)).filter((name) => name.includes('quarantine')),
    ).toEqual([]);
  }
});

test('a virtual node that is being rebuilt gives versions and no absence, and takes writes (N=3, its peers hang)', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data, allowFaults: true });
  await fill(first);
  await first.close();
  rmSync(directory(data, 'n1.0'), { recursive: true });
  // No exchange can end: it stays as it is.
  const alone = cutFromTheStart([
    [0, 1],
    [0, 2],
  ]);
  const store = await openSmall('lmdb', { data, allowFaults: true }, alone);
  expect(state(store, 'n1.0')).toBe('rebuilding');
  store.faults.inject({ kind: 'stop', at: 'n3', forMs: 60_000 });
  await until('n3 is down', () => state(store, 'n3.0') === 'stopped');
  for (let i = 1; i < 30; i++) {
    const { value, degraded } = await store.get(`k${i}`);
    expect([text(value), degraded]).toEqual([valueOf(i), true]);
  }
  const lost = await failure(store.get('k1', { strict: true, timeoutMs: 200 }));
  expect(lost.code).toBe('QUORUM_NOT_MET');
  store.faults.clear();
  await whole(store);
  await check(store, true);
});

test('two of three are rebuilt from the third, also when the process ends in between (N=3, W=2)', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data, allowFaults: true });
  await fill(first);
  await first.close();
  rmSync(directory(data, 'n1.0'), { recursive: true });
  writeFileSync(directory(data, 'n2.0', 'engine', 'data.mdb'), Buffer.alloc(65_536));
  // What the third has reaches neither of them.
  const apart = cutFromTheStart([
    [0, 2],
    [1, 2],
  ]);
  const second = await openSmall('lmdb', { data, allowFaults: true }, apart);
  second.faults.inject({ kind: 'stop', at: 'n3', forMs: 60_000 });
  await until('n3 is down', () => state(second, 'n3.0') === 'stopped');
  // Acknowledged by the two that are being rebuilt: they are all that have it.
  await second.put('new', 'here', { durability: 'committed' });
  expect(state(second, 'n2.0')).toBe('rebuilding');
  await second.close();
  expect(existsSync(directory(data, 'n1.0', 'rebuild.json'))).toBe(true);
  const third = await openSmall('lmdb', { data });
  expect(third.startup.rebuilding.map(({ vnode }) => vnode)).toEqual(['n1.0', 'n2.0']);
  await whole(third);
  await check(third, true);
  expect(text((await third.get('new', { strict: true })).value)).toBe('here');
  await third.close();
  rmSync(directory(data, 'n3.0'), { recursive: true });
  const fourth = await openSmall('lmdb', { data });
  await whole(fourth);
  await check(fourth, true);
});

test('an older copy of one directory that is put back, clean mark and all, is rebuilt under fresh actors (N=3)', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data });
  await fill(first);
  await first.close();
  const backup = join(temporary(), 'n1.0');
  cpSync(directory(data, 'n1.0'), backup, { recursive: true, preserveTimestamps: true });
  const blind = Array.from({ length: 100 }, (_, i) => `blind${i}`);
  const second = await openSmall('lmdb', { data });
  expect(second.startup.cleanShutdown).toBe(true);
  for (const key of blind) await second.put(key, 'second', { w: 'all' });
  await second.close();
  rmSync(directory(data, 'n1.0'), { recursive: true });
  cpSync(backup, directory(data, 'n1.0'), { recursive: true, preserveTimestamps: true });
  const third = await openSmall('lmdb', { data });
  expect(third.startup.rebuilding).toMatchObject([
    { vnode: 'n1.0', reason: expect.stringContaining('older copy') as string },
  ]);
  // It has forgotten the dots of its second life: the same ones again would be swallowed.
  for (const key of blind) await third.put(key, 'third', { w: 'all' });
  await whole(third);
  await check(third, true);
  for (const key of blind) {
    expect(texts(await third.get(key, { r: 'all', strict: true })), key).toEqual(['second', 'third']);
    const { preferenceList } = await third.inspect(key);
    for (const { versions } of preferenceList) expect(versions).toEqual(preferenceList[0]!.versions);
  }
  await third.close();
  const fourth = await openSmall('lmdb', { data });
  expect([fourth.startup.rebuilding, fourth.startup.cleanShutdown]).toEqual([[], true]);
});
