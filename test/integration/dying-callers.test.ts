import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { fixture, LONG, openSmall, text, until } from './support.js';

const WORKERS = LONG ? 1_000 : 12;
const AT_ONCE = 6;
/** As the workers are, whose requests these wait behind. */
const PATIENT = { timeoutMs: 30_000 };
const ENDINGS = ['exit', 'throw', 'terminate', 'close'] as const;

function rss(): number {
  return process.memoryUsage.rss() / 1_048_576;
}

test(
  `${WORKERS} workers that exit, throw, close or are terminated amid reads and puts: slots come back, memory stays flat, the store serves`,
  async () => {
    const store = await openSmall('memory', { memoryMiB: 48, maxCallers: AT_ONCE + 2 });
    for (let i = 0; i < 100; i++) await store.put(`stable-${i}`, `value ${i}`);
    let started = 0;
    const server = { serving: true };
    let served = 0;
    const failures: unknown[] = [];
    const resident: number[] = [];
    const service = (async () => {
      let { context } = await store.put('mine', 'v', PATIENT);
      for (; server.serving; served++) {
        ({ context } = await store.put('mine', `${served}`, { ...PATIENT, context }));
        const i = served % 100;
        if (text((await store.get('mine', PATIENT)).value) !== `${served}`)
          throw new Error('a write of our own is gone');
        if (text((await store.get(`stable-${i}`, PATIENT)).value) !== `value ${i}`)
          throw new Error('a stable key is gone');
      }
    })();
    const lane = async (): Promise<void> => {
      while (started < WORKERS) {
        const number = started++;
        if (number % Math.floor(WORKERS / 5) === 0) resident.push(rss());
        const ending = ENDINGS[number % 4]!;
        await until('a slot is free', () => store.stats().callers < AT_ONCE + 2);
        const handle = store.handle();
        const worker = new Worker(fixture('short-lived'), {
          workerData: { handle, ending, after: Math.ceil(Math.random() * 60), name: `w${number % 4}` },
          transferList: [...handle.transferList],
        });
        const ended = new Promise((resolve) => worker.once('exit', resolve));
        worker.on('error', (error: Error) => {
          if (error.message !== 'ends by a throw') failures.push(error);
        });
        await new Promise((resolve) => worker.once('message', resolve).once('exit', resolve));
        if (ending === 'terminate') setTimeout(() => void worker.terminate(), Math.random() * 40);
        await ended;
      }
    };
    service.catch(() => undefined);
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    await until('it has served meanwhile, or afterwards', () => served > WORKERS);
    server.serving = false;
    await service;
    expect(failures).toEqual([]);
    await until('every slot has come back', () => store.stats().callers === 1);
    const growth = resident.slice(2).map((size, i) => Math.round(size - resident[i + 1]!));
    // Heaps of ended threads go when they like; what is lost by each worker shows every time.
    expect(Math.min(...growth), `MiB per ${WORKERS / 5} workers: ${growth.join(' ')}`).toBeLessThan(10);
    for (let i = 0; i < 100; i++)
      expect(text((await store.get(`stable-${i}`, { r: 'all' })).value)).toBe(`value ${i}`);
    const restarts = store.stats().vnodes.map((vnode) => vnode.restarts);
    expect(restarts).toEqual([0, 0, 0]);
  },
  LONG ? 1_200_000 : 300_000,
);
