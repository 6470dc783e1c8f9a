import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { failure, openSmall, openWith, PATIENT, temporary, text, until } from './support.js';
import { discardLost } from '../../src/host/offline.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

const KEYS = 150;
const valueOf = (i: number): string => `value ${i} `.repeat(1 + (i % 20));
const fill = (store: OpenStore): Promise<unknown> =>
  Promise.all(Array.from({ length: KEYS }, (_, i) => store.put(`k${i}`, valueOf(i), { w: 'all' })));

async function check(store: OpenStore): Promise<void> {
  for (let i = 0; i < KEYS; i++)
    expect(text((await store.get(`k${i}`, { strict: true })).value), `k${i}`).toBe(valueOf(i));
}

const vnode = (
  store: OpenStore,
  id: string,
): OpenStore['stats'] extends () => { vnodes: readonly (infer V)[] } ? V : never =>
  store.stats().vnodes.find((one) => one.id === id)!;
const whole = (store: OpenStore): Promise<void> =>
  until('all are whole', () => store.stats().vnodes.every(({ state }) => state === 'serving'));
const directory = (data: string, id: string): string => join(data, 'nodes', id.split('.')[0]!, id);

/** Looks for deleted files every 25 ms. */
const OFTEN = { hungMs: 100_000, watchMs: 25 };

test('a directory deleted under a live virtual node is noticed: a new incarnation is rebuilt while the store serves (N=3)', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { data }, OFTEN);
  await fill(store);
  const puts: Promise<unknown>[] = [];
  rmSync(directory(data, 'n1.0'), { recursive: true });
  let late = 0;
  await until('it is replaced', async () => {
    // Whatever is acknowledged meanwhile must be there in the end.
    puts.push(store.put(`late${late}`, `late value ${late}`, { durability: 'durable' }));
    late++;
    await Promise.allSettled(puts.slice(-1));
    return vnode(store, 'n1.0').incarnation > 1;
  });
  const outcomes = await Promise.allSettled(puts);
  await whole(store);
  await check(store);
  await store.close();
  const again = await openSmall('lmdb', { data });
  expect(again.startup.rebuilding).toEqual([]);
  await check(again);
  for (const [i, { status }] of outcomes.entries()) {
    if (status === 'fulfilled') expect(text((await again.get(`late${i}`)).value)).toBe(`late value ${i}`);
  }
});

test('directories of all nodes deleted at once are rebuilt one after the other from what is still open (N=3)', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { data }, OFTEN);
  await fill(store);
  for (const node of readdirSync(join(data, 'nodes'))) rmSync(join(data, 'nodes', node), { recursive: true });
  await until(
    'all were replaced',
    () => store.stats().vnodes.every(({ incarnation }) => incarnation > 1),
    90_000,
  );
  await whole(store);
  await check(store);
  await store.close();
  const again = await openSmall('lmdb', { data });
  await check(again);
});

test('what nobody else has is fenced: it can be read, and takes nothing; the operator decides at the next start (N=1)', async () => {
  const data = join(temporary(), 'data');
  const store = await openWith({ data, nodes: 2, n: 1, memoryMiB: 96 }, { ...PATIENT, ...OFTEN });
  await fill(store);
  rmSync(directory(data, 'n1.0'), { recursive: true });
  await until('a put is refused', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.put(`new${i}`, 'value', { strict: true })),
    );
    return outcomes.some(({ status }) => status === 'rejected');
  });
  await check(store);
  expect(vnode(store, 'n1.0').incarnation).toBe(1);
  await store.close();
  const refused = await failure(openWith({ data, nodes: 2, n: 1 }, {}));
  expect(refused).toMatchObject({ code: 'DATA_CORRUPT', details: { vnode: 'n1.0', n: 1 } });
  expect(refused.message).toContain('ringlet repair --discard n1.0');
  expect((await failure(discardLost(data, ['n2.0']))).code).toBe('BAD_REQUEST');
  await discardLost(data, ['n1.0']);
  const again = await openSmall('lmdb', { data, nodes: 2, n: 1 });
  await whole(again);
  const found = await Promise.all(Array.from({ length: KEYS }, (_, i) => again.get(`k${i}`)));
  const left = found.filter((result) => result.found).length;
  expect(left).toBeGreaterThan(KEYS / 4);
  expect(left).toBeLessThan((KEYS * 3) / 4);
  await until('the mark is gone', () => !existsSync(join(directory(data, 'n1.0'), 'rebuild.json')));
});

test('a virtual node whose thread ends again and again is rebuilt in a fresh directory (N=3)', async () => {
  const data = join(temporary(), 'data');
  const store = await openSmall('lmdb', { data, allowFaults: true }, { hopelessEnds: 3 });
  await fill(store);
  // It stays as it is until it hears of the others.
  store.faults.inject({ kind: 'link', from: 'n2', to: 'n1', cut: true });
  store.faults.inject({ kind: 'link', from: 'n2', to: 'n3', cut: true });
  for (let end = 1; end <= 3; end++) {
    // It may serve a moment before the host knows it, and only then takes faults.
    await until(
      'it serves, and is told to end',
      () =>
        vnode(store, 'n2.0').state === 'serving' &&
        vnode(store, 'n2.0').incarnation === end &&
        store.supervisor.inject(1, 'throw'),
    );
  }
  await until(
    'it is replaced',
    () => vnode(store, 'n2.0').incarnation === 4 && vnode(store, 'n2.0').state !== 'starting',
  );
  expect(readdirSync(join(data, 'nodes', 'n2')).filter((name) => name.includes('quarantine'))).toHaveLength(
    1,
  );
  store.faults.clear();
  await whole(store);
  await check(store);
  await until('the quarantine is gone', () =>
    readdirSync(join(data, 'nodes', 'n2')).every((name) => !name.includes('quarantine')),
  );
});
