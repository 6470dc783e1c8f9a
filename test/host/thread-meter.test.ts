import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { allocateShared, SharedLayout, VNODE_COUNTERS } from '../../src/messaging/layout.js';
import { nextTurn } from '../../src/messaging/sleeper.js';
import { COUNT_GC_US, COUNT_GCS } from '../../src/shard/environment.js';
import { ThreadMeter } from '../../src/shard/thread-meter.js';
import { loadCounter } from '../../src/storage/buffer-layout.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void;

const COLLECTIONS = 1_000;

test('collections are counted and timed', async () => {
  const shared = allocateShared({
    vnodes: 1,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const control = new Int32Array(shared.control);
  const meter = new ThreadMeter({ shared, ordinal: 0 });
  const count = (counter: number): number =>
    loadCounter(control, new SharedLayout(shared.shape).vnodeWord(0) + VNODE_COUNTERS + counter);
  const run = async (collections: number): Promise<void> => {
    for (let done = 0, nowMs = 0; done < collections; done++, nowMs += 50) {
      collect({ type: 'minor' });
      if (meter.turned(0, nowMs)) await nextTurn();
    }
    await nextTurn();
  };
  await run(COLLECTIONS / 10);
  const before = count(COUNT_GCS);
  await run(COLLECTIONS);
  await expect.poll(() => count(COUNT_GCS) - before).toBeGreaterThanOrEqual(COLLECTIONS);
  expect(count(COUNT_GC_US)).toBeGreaterThan(0);
});
