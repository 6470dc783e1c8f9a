import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSmall, PACE, temporary, text, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

const KEYS = 200;
const valueOf = (i: number): string => `value number ${i} of many`;
const directory = (data: string, id: string, ...rest: string[]): string =>
  join(data, 'nodes', id.split('.')[0]!, id, ...rest);
const vnode = (store: OpenStore, id: string): ReturnType<OpenStore['stats']>['vnodes'][number] =>
  store.stats().vnodes.find((one) => one.id === id)!;

/** Writes into a file in place, as a disk does that loses bits: nobody is told. Returns how many places it found. */
function damage(file: string, pattern: string, most = Infinity): number {
  const bytes = readFileSync(file);
  const fd = openSync(file, 'r+');
  let found = 0;
  for (let at = bytes.indexOf(pattern); at >= 0 && found < most; at = bytes.indexOf(pattern, at + 1), found++)
    writeSync(fd, 'X', at + 6);
  closeSync(fd);
  return found;
}

/** A store whose records are in LMDB alone, and scrubbed all the time. */
async function stored(everyMs: number): Promise<{ data: string; store: OpenStore }> {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data });
  await Promise.all(Array.from({ length: KEYS }, (_, i) => first.put(`k${i}`, valueOf(i), { w: 'all' })));
  await first.close();
  const store = await openSmall(
    'lmdb',
    { data },
    { pace: { ...PACE, checkpointMs: 500, scrub: { pauseMs: 5, everyMs } } },
  );
  await until('trees are equal', () =>
    store.stats().vnodes.every(({ trees, inSyncMs }) => trees === 'usable' && inSyncMs !== null),
  );
  return { data, store };
}

test('the scrub finds damaged records, and peers replace them without anybody reading (N=3)', async () => {
  const { data, store } = await stored(50);
  expect(damage(directory(data, 'n1.0', 'engine', 'data.mdb'), 'value number 7 ')).toBeGreaterThan(0);
  await until('it is found', () => vnode(store, 'n1.0').scrub.damaged > 0);
  await until(
    'it is whole again',
    async () => {
      const before = vnode(store, 'n1.0').scrub;
      await until('another pass', () => vnode(store, 'n1.0').scrub.records > before.records + 2 * KEYS);
      return vnode(store, 'n1.0').scrub.damaged === before.damaged;
    },
    90_000,
  );
  expect(vnode(store, 'n1.0').incarnation).toBe(1);
  for (let i = 0; i < KEYS; i++)
    expect(text((await store.get(`k${i}`, { strict: true, r: 'all' })).value)).toBe(valueOf(i));
  expect(vnode(store, 'n1.0').scrub.lastPassMs).not.toBeNull();
  // Its clock was forgotten: the next dots are another actor's, and nothing is swallowed.
  const { context } = await store.get('k7');
  await store.put('k7', 'new', { context: context! });
  expect(text((await store.get('k7', { r: 'all', strict: true })).value)).toBe('new');
});

test('a damaged record that is read is repaired too; nobody is given it (N=3)', async () => {
  const { data, store } = await stored(1_000_000);
  for (const id of ['n1.0', 'n2.0']) damage(directory(data, id, 'engine', 'data.mdb'), 'value number 9 ');
  for (let round = 0; round < 3; round++) {
    const { value, degraded } = await store.get('k9', { timeoutMs: 10_000 });
    expect([text(value), degraded || value !== undefined]).toEqual([valueOf(9), true]);
  }
  await until(
    'all three have it again',
    async () => {
      try {
        return text((await store.get('k9', { r: 'all', strict: true, timeoutMs: 500 })).value) === valueOf(9);
      } catch {
        return false;
      }
    },
    90_000,
  );
});

test('a scan reads from others what one owner has damaged records of (N=3, R=2)', async () => {
  const { data, store } = await stored(1_000_000);
  expect(damage(directory(data, 'n1.0', 'engine', 'data.mdb'), 'value number ')).toBeGreaterThan(KEYS / 2);
  const seen: string[] = [];
  for await (const { value } of store.scan({ timeoutMs: 30_000 })) seen.push(text(value)!);
  expect(seen.toSorted()).toEqual(Array.from({ length: KEYS }, (_, i) => valueOf(i)).toSorted());
});

test('a journal that is damaged on the disk is written anew from memory before a start could need it', async () => {
  const data = join(temporary(), 'data');
  const pace = { ...PACE, checkpointMs: 2 ** 40, scrub: { pauseMs: 5, everyMs: 50 } };
  const store = await openSmall('lmdb', { data }, { pace });
  await store.put('key', 'precious value of a journal', { durability: 'committed', w: 'all' });
  const files = (): string[] =>
    readdirSync(directory(data, 'n2.0', 'journal'))
      // What is being allocated gets its name when it is whole.
      .filter((name) => name.endsWith('.journal'))
      .map((name) => directory(data, 'n2.0', 'journal', name));
  const damaged = files()
    .map((file) => damage(file, 'precious value'))
    .reduce((a, b) => a + b);
  expect(damaged).toBe(1);
  await until('it is found', () => vnode(store, 'n2.0').scrub.damaged > 0);
  // Or it is in the engine by now: trees that are made or compared ask for that.
  await until('it is written anew', () =>
    [...files(), directory(data, 'n2.0', 'engine', 'data.mdb')].some((file) => {
      try {
        return readFileSync(file).includes('precious value');
      } catch {
        // The old file went after it was listed.
        return false;
      }
    }),
  );
  expect(vnode(store, 'n2.0').journalFailures).toBeGreaterThan(0);
});
