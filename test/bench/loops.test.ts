import { expect, test } from 'vitest';
import { runClosedLoop } from '../../bench/measure/closed-loop.js';
import { nowMs, sleep } from '../../bench/measure/clock.js';
import { runHeating } from '../../bench/measure/heating.js';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import { Workload } from '../../bench/measure/workload.js';
import type { Target } from '../../bench/targets/target.js';

const WORKLOAD = { keys: 100, valueBytes: 10, seed: 1 };

function target(overrides: Partial<Target>): Target {
  return {
    synchronous: { get: false, put: false },
    get: async () => 10,
    put: async () => undefined,
    valueBytes: (result) => result as number,
    writeAll: async () => undefined,
    close: async () => undefined,
    ...overrides,
  };
}

const CLOSED = { op: 'put', inFlight: 4, warmupSeconds: 0, seconds: 0.2, valueBytes: 10 } as const;

const HEAT = {
  kind: 'heat',
  mix: { get: 0, put: 1, insert: 0, rmw: 0 },
  inFlight: 8,
  callers: 'main',
  leastSeconds: 0.1,
} as const;

test('a closed loop keeps exactly its number of requests in flight', async () => {
  let inFlight = 0;
  let most = 0;
  const put = async (): Promise<void> => {
    most = Math.max(most, ++inFlight);
    await sleep(1);
    inFlight--;
  };
  const { operations } = await runClosedLoop(target({ put }), new Workload(WORKLOAD), CLOSED);
  expect(most).toBe(4);
  expect(inFlight).toBe(0);
  const { samples, p50Us } = LatencyHistogram.decode(operations[0]!.histogram).summary();
  expect(samples).toBe(operations[0]!.completed);
  expect(p50Us!).toBeGreaterThanOrEqual(900);
});

test('the rate is operations over the time that they took (4 in flight, about 5 ms each)', async () => {
  const put = (): Promise<void> => sleep(5);
  const beganMs = nowMs();
  const { operations } = await runClosedLoop(target({ put }), new Workload(WORKLOAD), CLOSED);
  const allSeconds = (nowMs() - beganMs) / 1_000;
  const { completed, opsPerSecond } = operations[0]!;
  expect(opsPerSecond).toBeGreaterThanOrEqual(completed / allSeconds);
  // A stall before the first of them makes the window shorter.
  expect(opsPerSecond).toBeLessThanOrEqual((2 * completed) / CLOSED.seconds);
});

test.each([1, 4])(
  'a window that is over before it begins has an operation of each in flight (%i)',
  async (inFlight) => {
    const spec = { ...CLOSED, inFlight, seconds: 0 };
    const { operations } = await runClosedLoop(target({}), new Workload(WORKLOAD), spec);
    const { completed, histogram, opsPerSecond } = operations[0]!;
    expect(completed).toBeGreaterThanOrEqual(inFlight);
    expect(LatencyHistogram.decode(histogram).summary().samples).toBe(inFlight);
    expect(opsPerSecond).toBeGreaterThan(0);
  },
);

test('slow operations do not prolong a warm-up: the clock is read after each of them', async () => {
  let puts = 0;
  const put = async (): Promise<void> => {
    puts++;
    await sleep(20);
  };
  const spec = { ...CLOSED, warmupSeconds: 0.04, seconds: 0.04 };
  await runClosedLoop(target({ put }), new Workload(WORKLOAD), spec);
  // Some 4 lanes × (2 + 2); a batch of 32 each would be 128 before the window.
  expect(puts).toBeLessThan(64);
});

test('a get that finds nothing, or a value of another size, fails the step', async () => {
  const spec = { ...CLOSED, op: 'get' } as const;
  const missing = target({ get: async () => -1 });
  await expect(runClosedLoop(missing, new Workload(WORKLOAD), spec)).rejects.toThrow('found -1 bytes');
});

test('heating ends when the rate stops rising: requests become faster for 0.3 s, and then stay so', async () => {
  const beganMs = nowMs();
  const put = (): Promise<void> => sleep(nowMs() - beganMs < 300 ? 20 : 2);
  const report = await runHeating(target({ put }), new Workload(WORKLOAD), { ...HEAT, mostSeconds: 30 });
  expect(report.steady).toBe(true);
  expect(report.seconds).toBeGreaterThan(0.3);
  expect(report.seconds).toBeLessThan(30);
});

test('heating ends with its time while the rate still rises, and says so', async () => {
  const beganMs = nowMs();
  const put = (): Promise<void> => sleep(2_000 / (1 + nowMs() - beganMs));
  const report = await runHeating(target({ put }), new Workload(WORKLOAD), { ...HEAT, mostSeconds: 0.4 });
  expect(report.steady).toBe(false);
  expect(report.seconds).toBeGreaterThanOrEqual(0.4);
});

test('a synchronous get is measured without promises', async () => {
  const spec = { ...CLOSED, op: 'get', inFlight: 1, seconds: 0.05 } as const;
  const synchronous = target({ synchronous: { get: true, put: false }, get: () => 10 });
  const { operations } = await runClosedLoop(synchronous, new Workload(WORKLOAD), spec);
  expect(operations[0]!.completed).toBeGreaterThan(0);
});
