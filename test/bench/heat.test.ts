import { expect, test } from 'vitest';
import type { HeatStep, Step } from '../../bench/cases/case.js';
import { expectedHeatSeconds, heatingSteps, heatInTurn, heatLimits } from '../../bench/cases/heat.js';

const WINDOW = { warmupSeconds: 0.2, seconds: 1 };
const LIMITS = { leastSeconds: 1, mostSeconds: 4 };
const closed = (op: 'get' | 'put', callers: 'main' | number): Step => ({
  kind: 'closed',
  op,
  inFlight: 1,
  callers,
  ...WINDOW,
});

test('a fresh process does what its steps will do before the first of them, with each of its kinds of callers', () => {
  const heating = heatingSteps(
    [
      closed('get', 'main'),
      { kind: 'cpu', callers: 3, seconds: 1 },
      closed('put', 'main'),
      closed('get', 2),
      closed('put', 2),
    ],
    LIMITS,
  );
  expect(heating.map(({ inFlight }) => inFlight)).toEqual([1, 1]);
  expect(heating.map(({ callers, mix, mostSeconds }) => [callers, mix.get, mix.put, mostSeconds])).toEqual([
    ['main', 0.5, 0.5, 4],
    [2, 0.5, 0.5, 4],
  ]);
});

test('gets alone are not heated by puts, nor puts by gets', () => {
  const mixes = [closed('get', 1), closed('put', 1)].map((step) => heatingSteps([step], LIMITS)[0]!.mix);
  expect(mixes.map(({ get, put }) => [get, put])).toEqual([
    [1, 0],
    [0, 1],
  ]);
  const open: Step = {
    kind: 'open',
    arrivals: 'poisson',
    putFraction: 1,
    perSecond: 1,
    callers: 1,
    ...WINDOW,
  };
  expect(heatingSteps([open], LIMITS)[0]!.mix).toMatchObject({ get: 0, put: 1 });
});

test('all kinds of callers of a process share its longest time, and each has the least; what one saves, none loses', async () => {
  const steps = heatingSteps([closed('put', 'main'), closed('put', 1), closed('put', 2)], LIMITS);
  const heat = async (used: (step: HeatStep) => number) => {
    const allowed: number[] = [];
    const report = await heatInTurn(steps, async (step) => {
      allowed.push(step.mostSeconds);
      return [{ seconds: used(step), steady: used(step) < step.mostSeconds }];
    });
    return { allowed, report };
  };
  expect(await heat((step) => step.mostSeconds)).toEqual({
    allowed: [4, 1, 1],
    report: { seconds: 6, steady: false },
  });
  expect(await heat(() => 1)).toEqual({ allowed: [4, 3, 2], report: { seconds: 3, steady: true } });
  expect(await heatInTurn([], () => Promise.reject(new Error('nothing to heat')))).toBeNull();
});

test('callers of one step are warm when all of them are, and took as long as the last', async () => {
  const steps = heatingSteps([closed('put', 2)], LIMITS);
  const reports = [
    { seconds: 1, steady: true },
    { seconds: 4, steady: false },
  ];
  expect(await heatInTurn(steps, async () => reports)).toEqual({ seconds: 4, steady: false });
});

test('the plan has the longest time for the store, the least for what has no threads, and more where experiments are named', () => {
  const steps = [closed('put', 'main'), closed('put', 2)];
  expect(expectedHeatSeconds(steps, LIMITS, true)).toBe(5);
  expect(expectedHeatSeconds(steps, LIMITS, false)).toBe(2);
  expect(expectedHeatSeconds([{ kind: 'cpu', callers: 1, seconds: 9 }], LIMITS, true)).toBe(0);
  for (const mode of ['quick', 'default'] as const) {
    expect(heatLimits(mode, true).mostSeconds).toBeGreaterThan(2 * heatLimits(mode, false).mostSeconds);
    expect(heatLimits(mode, false, true).mostSeconds).toBeLessThanOrEqual(
      heatLimits(mode, false).mostSeconds,
    );
    expect(heatLimits(mode, true, true)).toEqual(heatLimits(mode, true));
  }
});
