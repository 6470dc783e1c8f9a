import { describe, expect, test } from 'vitest';
import { ring } from '../../src/messaging/doorbell.js';
import { SharedLayout } from '../../src/messaging/layout.js';
import { Sleeper } from '../../src/messaging/sleeper.js';
import type { Endpoint } from '../../src/messaging/transport.js';
import { sharedPair } from './pairs.js';

/** Long enough that a test which takes half of it has missed a wake-up, however the machine stalls. */
const LONG_MS = 40_000;

function bed(idle: () => boolean = () => true, hasOtherWork?: () => boolean) {
  const shared = sharedPair();
  const layout = new SharedLayout(shared.shape);
  const control = new Int32Array(shared.control);
  const endpoint = { party: 0, idle } as unknown as Endpoint;
  const bell = layout.doorbellWord(0);
  return {
    control,
    bell,
    sleeper: new Sleeper(control, layout, endpoint, hasOtherWork),
    ring: () => ring(control, layout, 0),
  };
}

async function took(sleep: () => void | Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await sleep();
  return performance.now() - startedMs;
}

describe('a sleeper', () => {
  test.each(['block', 'onEventLoop'] as const)(
    '%s: does not sleep when a frame came before it had armed',
    async (how) => {
      const { sleeper, control, bell } = bed(() => false);
      expect(await took(() => sleeper[how](LONG_MS))).toBeLessThan(LONG_MS / 2);
      expect(control[bell]).toBe(0);
    },
  );

  test.each(['block', 'onEventLoop'] as const)(
    '%s: does not sleep when anything else that rings waits',
    async (how) => {
      const { sleeper } = bed(
        () => true,
        () => true,
      );
      expect(await took(() => sleeper[how](LONG_MS))).toBeLessThan(LONG_MS / 2);
    },
  );

  test('is rung between its last look and its sleep', async () => {
    let lookAndRing = (): void => undefined;
    const { sleeper, ring: ringBell } = bed(() => {
      lookAndRing();
      return true;
    });
    lookAndRing = ringBell;
    expect(await took(() => sleeper.block(LONG_MS))).toBeLessThan(LONG_MS / 2);
    expect(await took(() => sleeper.onEventLoop(LONG_MS))).toBeLessThan(LONG_MS / 2);
  });

  test('hears the bell again and again, also with the wait that an earlier sleep left behind', async () => {
    const { sleeper, ring: ringBell, control, bell } = bed();
    for (let i = 0; i < 200; i++) {
      // This one runs out, and its waitAsync stays.
      if (i % 20 === 0) await sleeper.onEventLoop(1);
      if (i % 7 === 0) sleeper.block(1);
      setImmediate(ringBell);
      expect(await took(() => sleeper.onEventLoop(LONG_MS))).toBeLessThan(LONG_MS / 2);
      expect(control[bell]).toBe(0);
    }
  });

  test('a completion wakes it, and one that came before it slept is not forgotten', async () => {
    const { sleeper } = bed();
    setTimeout(sleeper.wake, 2);
    expect(await took(() => sleeper.onEventLoop(LONG_MS))).toBeLessThan(LONG_MS / 2);
    sleeper.wake();
    expect(await took(() => sleeper.onEventLoop(LONG_MS))).toBeLessThan(LONG_MS / 2);
    expect(await took(() => sleeper.onEventLoop(20))).toBeGreaterThan(15);
  });
});
