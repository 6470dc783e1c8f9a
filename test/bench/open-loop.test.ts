import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import { runOpenLoop, type OpenLoopSpec } from '../../bench/measure/open-loop.js';
import { Workload } from '../../bench/measure/workload.js';
import type { Target } from '../../bench/targets/target.js';
import { VirtualTime } from './virtual-time.js';
import { nowMs } from '../../bench/measure/clock.js';
import { Pacer } from '../../bench/measure/pacer.js';

const SPEC: OpenLoopSpec = {
  putFraction: 1,
  arrivals: 'constant',
  perSecond: 1_000,
  warmupSeconds: 0,
  seconds: 1,
  valueBytes: 10,
  seed: 1,
  stream: 1,
};

/** Requests at their times, in no time; what a system does with them is up to the test. */
function run(time: VirtualTime, put: () => Promise<void>, more: Partial<OpenLoopSpec> = {}) {
  const target: Target = {
    synchronous: { get: false, put: false },
    get: async () => 10,
    put,
    valueBytes: (result) => result as number,
    writeAll: async () => undefined,
    close: async () => undefined,
  };
  const workload = new Workload({ keys: 10, valueBytes: 10, seed: 1 });
  return runOpenLoop(target, workload, { ...SPEC, ...more }, time);
}

test('every request of the schedule is sent and answered, at the offered rate', async () => {
  const time = new VirtualTime();
  const report = await run(time, () => time.after(0.5), { warmupSeconds: 0.1 });
  expect(report.operations.map(({ op, completed }) => [op, completed])).toEqual([['put', 1_000]]);
  expect(report.unfinished).toBe(0);
  expect(report.operations[0]!.opsPerSecond).toBeCloseTo(1_000, -1);
});

test('a stall of 200 ms counts for all requests that were due meanwhile (no coordinated omission)', async () => {
  const time = new VirtualTime();
  let puts = 0;
  const report = await run(time, async () => {
    if (++puts === 600) time.ms += 200;
  });
  const { samples, p50Us, p99Us } = LatencyHistogram.decode(report.operations[0]!.histogram).summary();
  expect(samples).toBe(1_000);
  // 200 requests waited 0 to 200 ms: the slowest 1 % at least 170 ms. Timed from sending, one would have.
  expect(p99Us!).toBeGreaterThan(170_000);
  expect(p50Us!).toBeLessThan(1_000);
});

test('a system that cannot keep up is given up, and the rest counted as unfinished', async () => {
  const time = new VirtualTime();
  let puts = 0;
  // Ten at once, a second each: of 4,000 that are due within 0.4 s it has answered ten when 1.1 s are over.
  const report = await run(time, () => time.after(1_000 * Math.ceil(++puts / 10)), {
    perSecond: 10_000,
    seconds: 0.4,
  });
  expect(report.operations[0]).toMatchObject({ completed: 10, failed: 0 });
  expect(report.unfinished).toBe(3_990);
  expect(report.seconds).toBeCloseTo(1.1);
  // Those have waited 0.7 to 1.1 s: without them the median would be that of the ten.
  const { samples, p50Us } = LatencyHistogram.decode(report.operations[0]!.histogram).summary();
  expect(samples).toBe(4_000);
  expect(p50Us!).toBeLessThan(950_000);
});

test('before its first answer no system is given up: a disk that stands still is slow, and measured', async () => {
  const time = new VirtualTime();
  const report = await run(time, () => time.after(5_000), { putFraction: 0.5, seconds: 0.4 });
  expect(report.operations.map(({ op }) => op)).toEqual(['get', 'put']);
  const put = LatencyHistogram.decode(report.operations[1]!.histogram).summary();
  expect(put.maxUs!).toBeGreaterThanOrEqual(5_000_000);
  // Those that were due later and have no answer then count with their wait.
  expect(put.p50Us!).toBeGreaterThanOrEqual(4_600_000);
});

test('a machine that stands still for all of the window has its requests sent and answered behind it', async () => {
  const time = new VirtualTime();
  void time.after(50).then(() => (time.ms += 10_000));
  const report = await run(time, () => time.after(1), { seconds: 0.4 });
  expect(report.operations[0]!.completed).toBeGreaterThan(0);
});

test('failed requests are counted and keep their latency', async () => {
  const time = new VirtualTime();
  const fail = (): Promise<void> => time.after(2).then(() => Promise.reject(new Error('no')));
  const { operations } = await run(time, fail, { seconds: 0.3 });
  expect(operations[0]).toMatchObject({ completed: 0, failed: 300 });
  expect(LatencyHistogram.decode(operations[0]!.histogram).summary().p50Us).toBeGreaterThanOrEqual(2_000);
});

test('a pacer wakes at each start, not before it, and whenever it is told to', async () => {
  const starts = Float64Array.from({ length: 40 }, (_, i) => i * 2);
  const beganMs = nowMs() + 20;
  const pacer = new Pacer(starts, beganMs);
  for (const start of starts) {
    await pacer.sleepUntil(beganMs + start);
    expect(nowMs()).toBeGreaterThan(beganMs + start - 0.5);
  }
  const late = pacer.sleepUntil(beganMs + 600_000);
  pacer.wake();
  await late;
  await pacer.stop();
});
