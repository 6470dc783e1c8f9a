import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { mayMount, mountSmall } from './mounts.js';
import { failure, openSmall, PACE, text, until } from './support.js';

function fillUp(path: string): void {
  const fd = openSync(path, 'w');
  const block = new Uint8Array(64 << 10);
  try {
    for (;;) writeSync(fd, block);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  } finally {
    closeSync(fd);
  }
}

test.skipIf(!mayMount()).each(['journal', 'engine'])(
  'on a full disk (met first by the %s) writes are refused with STORE_FULL, reads go on, and all recovers when space returns',
  async (first) => {
    const disk = mountSmall(64)!;
    const ballast = join(disk, 'ballast');
    const options = { data: join(disk, 'data'), nodes: 1, memoryMiB: 16, valueBytes: 20_000 };
    // The engine is met when the test says so.
    const store = await openSmall('lmdb', options, { pace: { ...PACE, checkpointMs: 2 ** 40 } });
    const acknowledged = new Map<string, string>();
    let next = 0;
    const putMany = async (count: number, timeoutMs = 30_000): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const key = `k${next++}`;
        const value = `${key} `.repeat(400);
        await store.put(key, value, { durability: 'committed', timeoutMs });
        acknowledged.set(key, value);
      }
    };
    const readAll = async (): Promise<void> => {
      for (const [key, value] of acknowledged)
        expect(text((await store.get(key)).value) === value, key).toBe(true);
    };
    await putMany(1_500);
    fillUp(ballast);
    // A scan moves everything into the engine, for which there is no room.
    if (first === 'engine')
      expect(await failure(store.scan({ timeoutMs: 500 }).next())).toMatchObject({ retryable: true });
    // A put is refused at its deadline only: another owner might have taken it.
    let refused = await failure(putMany(20_000, 2_000));
    while (refused.code === 'TIMEOUT' || refused.code === 'QUORUM_NOT_MET')
      refused = await failure(putMany(20_000, 2_000));
    expect(refused).toMatchObject({ code: 'STORE_FULL', maybeApplied: false, retryable: true });
    await readAll();
    // Longer than the back-off after which a thread with failed storage is replaced.
    const fullUntil = performance.now() + 3_000;
    let refusals = 0;
    await until('three seconds have passed', async () => {
      const error = await store
        .put('refused', 'x'.repeat(20_000), { durability: 'committed', timeoutMs: 500 })
        .then(
          () => undefined,
          (reason: { code: string }) => reason,
        );
      // While a new thread begins nobody is there who could say more.
      if (error !== undefined) expect(error.code).toMatch(/^(STORE_FULL|QUORUM_NOT_MET|TIMEOUT)$/);
      if (error?.code === 'STORE_FULL') refusals++;
      expect(text((await store.get('k7', { timeoutMs: 30_000 })).value)).toBe(acknowledged.get('k7'));
      return performance.now() > fullUntil && refusals > 3;
    });
    rmSync(ballast);
    const freedMs = performance.now();
    // More than one segment, so that room which was left does not count.
    await until(
      'writes are taken again',
      () =>
        putMany(300, 2_000).then(
          () => true,
          () => false,
        ),
      90_000,
    );
    console.log(
      `${first}: writes again ${Math.round(performance.now() - freedMs)} ms after space returned; restarts ${store.stats().vnodes[0]!.restarts}`,
    );
    if (first === 'engine') {
      const vnode = (): { restarts: number; state: string } => store.stats().vnodes[0]!;
      await until(
        'a new thread has opened the engine',
        () => vnode().restarts > 0 && vnode().state === 'serving',
      );
      console.log(`a new thread serves ${Math.round(performance.now() - freedMs)} ms after space returned`);
    }
    await putMany(1_000);
    await readAll();
    let scanned = 0;
    for await (const { key } of store.scan()) if (acknowledged.has(Buffer.from(key).toString())) scanned++;
    expect(scanned).toBe(acknowledged.size);
    await store.close();
    const again = await openSmall('lmdb', options);
    expect(again.startup.cleanShutdown).toBe(true);
    for (const [key, value] of acknowledged)
      expect(text((await again.get(key)).value) === value, key).toBe(true);
  },
);
