import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ENGINES, LONG, openSmall, temporary, text, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

const KEYS = LONG ? 1_500 : 600;
/** For so many keys, on a busy machine. */
const EQUAL_MS = 90_000;

function name(i: number): string {
  return `k-${i}`;
}

/** Until two replicas have it: who coordinated a put may have died of a fault. */
async function put(store: OpenStore, key: string, value: string): Promise<void> {
  for (;;) {
    try {
      await store.put(key, value, { w: 2, timeoutMs: 30_000 });
      return;
    } catch (error) {
      expect(error).toMatchObject({ code: 'COORDINATOR_LOST', maybeApplied: true });
    }
  }
}

async function write(store: OpenStore, from: number, to: number, value: string): Promise<void> {
  for (let i = from; i < to; i += 50) {
    const batch = Array.from({ length: Math.min(50, to - i) }, (_, j) => put(store, name(i + j), value));
    await Promise.all(batch);
  }
}

/** Every replica peer was found equal by every virtual node, after this was called. */
async function equal(store: OpenStore): Promise<number> {
  const startedMs = performance.now();
  await until(
    'all replicas are equal',
    () =>
      store
        .stats()
        .vnodes.every(
          ({ trees, inSyncMs }) =>
            trees === 'usable' && inSyncMs !== null && inSyncMs < performance.now() - startedMs,
        ),
    EQUAL_MS,
  );
  return Math.round(performance.now() - startedMs);
}

/** With R = N a replica that lacks something would be repaired by the read: none is. */
async function expectNothingToRepair(store: OpenStore, value: (i: number) => string): Promise<void> {
  for (let i = 0; i < KEYS; i++) expect(text((await store.get(name(i), { r: 3 })).value)).toBe(value(i));
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
  expect(store.stats().vnodes.map(({ readRepairs }) => readRepairs)).toEqual([0, 0, 0]);
}

describe.each(ENGINES)('replicas of real threads (%s)', (engine) => {
  test('are equal, without a read, after one was down while keys were written with W=2', async () => {
    const store = await openSmall(engine, { memoryMiB: 192, conflict: 'lww' }, { faults: true });
    await write(store, 0, KEYS / 6, 'old');
    const kept = setInterval(() => store.supervisor.terminate(2), 1);
    await until('it is down', () => store.stats().vnodes[2]!.restarts > 0);
    await write(store, 0, KEYS, 'new');
    clearInterval(kept);
    const appended = store.stats().vnodes.map(({ appendedRecords }) => appendedRecords);
    expect(appended[2], 'it has missed writes').toBeLessThan(appended[0]! - KEYS / 6);
    const tookMs = await equal(store);
    const { vnodes } = store.stats();
    console.log(
      `${engine}: ${KEYS} keys equal after ${tookMs} ms; sent ${vnodes.map(({ repairKeysSent }) => repairKeysSent).join(' ')}`,
    );
    // By hints or by trees, whichever is first.
    const sent = vnodes.map(({ repairKeysSent, hints }) => repairKeysSent + hints.delivered);
    expect(sent.reduce((sum, one) => sum + one, 0)).toBeGreaterThan(KEYS / 6);
    // A hint that waits to be let go is one more.
    expect(vnodes.every(({ keys }) => keys >= KEYS)).toBe(true);
    await expectNothingToRepair(store, () => 'new');
  });

  test('go on being served and written while one of them is rebuilt', async () => {
    const store = await openSmall(engine, { memoryMiB: 192, conflict: 'lww' }, { faults: true });
    await write(store, 0, KEYS, 'old');
    await until('it takes the fault', () => store.supervisor.inject(1, 'exit'));
    await write(store, 0, KEYS, 'new');
    await equal(store);
    await expectNothingToRepair(store, () => 'new');
  });
});

test('after a clean start the trees are built anew from LMDB, and nothing is sent', async () => {
  const data = join(temporary(), 'data');
  const first = await openSmall('lmdb', { data, conflict: 'lww' });
  await write(first, 0, KEYS, 'v');
  // Two of three acknowledge; the third must have its copy before the close.
  await equal(first);
  await first.close();
  const store = await openSmall('lmdb', { data, conflict: 'lww' });
  await equal(store);
  expect(store.stats().vnodes.map(({ repairKeysSent }) => repairKeysSent)).toEqual([0, 0, 0]);
  await store.put(name(0), 'later');
  await equal(store);
  await expectNothingToRepair(store, (i) => (i === 0 ? 'later' : 'v'));
});
