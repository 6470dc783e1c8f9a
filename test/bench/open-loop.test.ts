import { expect, test } from 'vitest';
import { built } from './built.js';
import type { Target } from '../../bench/targets/target.js';

const { runOpenLoop } = await built<typeof import('../../bench/measure/open-loop.js')>('measure/open-loop');
const { LatencyHistogram } =
  await built<typeof import('../../bench/measure/histogram.js')>('measure/histogram');
const { Workload } = await built<typeof import('../../bench/measure/workload.js')>('measure/workload');
const { sleep } = await built<typeof import('../../bench/measure/clock.js')>('measure/clock');

const SPEC = {
  putFraction: 1,
  arrivals: 'constant',
  perSecond: 1_000,
  warmupSeconds: 0.1,
  seconds: 1,
  valueBytes: 10,
  seed: 1,
  stream: 1,
} as const;

function target(put: () => Promise<void>): Target {
  return {
    synchronous: { get: false, put: false },
    get: async () => 10,
    put,
    valueBytes: (result) => result as number,
    writeAll: async () => undefined,
    close: async () => undefined,
  };
}

function workload(): InstanceType<typeof Workload> {
  return new Workload({ keys: 10, valueBytes: 10, seed: 1 });
}

test('every request of the schedule is sent and answered, at the offered rate', async () => {
  const report = await runOpenLoop(
    target(async () => undefined),
    workload(),
    SPEC,
  );
  expect(report.operations.map(({ op, completed }) => [op, completed])).toEqual([['put', 1_000]]);
  expect(report.unfinished).toBe(0);
  expect(report.operations[0]!.opsPerSecond).toBeGreaterThan(800);
});

test('a stall of 200 ms counts for all requests that were due meanwhile (no coordinated omission)', async () => {
  let puts = 0;
  let stalled = false;
  const put = async (): Promise<void> => {
    puts++;
    if (stalled || puts < 600) return;
    stalled = true;
    for (const untilMs = performance.now() + 200; performance.now() < untilMs;);
  };
  const slow = { ...SPEC, warmupSeconds: 0 };
  const report = await runOpenLoop(target(put), workload(), slow);
  const { samples, p50Us, p99Us } = LatencyHistogram.decode(report.operations[0]!.histogram).summary();
  expect(samples).toBe(1_000);
  // 200 requests waited 0 to 200 ms: the slowest 1 % at least 170 ms. Timed from sending, one would have.
  expect(p99Us!).toBeGreaterThan(170_000);
  expect(p50Us!).toBeLessThan(20_000);
});

test('a system that cannot keep up is given up, and the rest counted as unfinished', async () => {
  const report = await runOpenLoop(
    target(() => sleep(10_000)),
    workload(),
    {
      ...SPEC,
      warmupSeconds: 0,
      perSecond: 10_000,
      seconds: 0.4,
    },
  );
  expect(report.unfinished).toBe(4_000);
  expect(report.seconds).toBeLessThan(2);
});

test('failed requests are counted and keep their latency', async () => {
  const report = await runOpenLoop(
    target(() => Promise.reject(new Error('no'))),
    workload(),
    {
      ...SPEC,
      warmupSeconds: 0,
      seconds: 0.3,
    },
  );
  expect(report.operations[0]).toMatchObject({ completed: 0, failed: 300 });
});
