import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ENGINES, LONG, openSmall } from './support.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const OPERATIONS = LONG ? 2_000_000 : 60_000;
const KEYS = 1_000;

function used(): { rssMiB: number; heapMiB: number } {
  collectGarbage();
  const { rss, heapUsed } = process.memoryUsage();
  return { rssMiB: rss / 1_048_576, heapMiB: heapUsed / 1_048_576 };
}

describe.each(ENGINES)('memory (%s)', (engine) => {
  test(
    `${OPERATIONS} puts, gets and increments over ${KEYS} keys leave heap and resident size where they were`,
    async () => {
      const store = await openSmall(engine, { memoryMiB: 16, valueBytes: 4_096 });
      const value = Buffer.alloc(200, 'v');
      const run = async (operations: number): Promise<void> => {
        let done = 0;
        const lane = async (): Promise<void> => {
          while (done < operations) {
            const i = done++;
            const key = `k${(i * 7) % KEYS}`;
            if (i % 3 === 0) {
              const { context } = await store.get(key);
              await store
                .put(key, value, context === undefined ? {} : { context })
                .catch((error: { code: string }) => {
                  if (error.code !== 'TOO_MANY_SIBLINGS') throw error;
                });
            } else if (i % 30 === 1) await store.increment(`c${i % 10}`);
            else await store.get(key);
          }
        };
        await Promise.all(Array.from({ length: 32 }, lane));
      };
      // Until every page of the buffers has been used and all heaps have their size.
      await run(OPERATIONS);
      const stages = [used()];
      for (let stage = 0; stage < 3; stage++) {
        await run(OPERATIONS / (LONG ? 4 : 3));
        stages.push(used());
      }
      const growth = (of: (usage: (typeof stages)[number]) => number): number =>
        Math.min(...stages.slice(1).map((usage, i) => of(usage) - of(stages[i]!)));
      // Collectors of other threads come when they like; a leak shows in every stage.
      expect(
        growth(({ heapMiB }) => heapMiB),
        'heap of this thread, MiB per stage',
      ).toBeLessThan(1);
      expect(
        growth(({ rssMiB }) => rssMiB),
        'resident size, MiB per stage',
      ).toBeLessThan(10);
      const { bufferBytes, bufferCapacityBytes } = store.stats().vnodes[0]!;
      expect(bufferBytes).toBeLessThanOrEqual(bufferCapacityBytes);
    },
    LONG ? 600_000 : 180_000,
  );
});
