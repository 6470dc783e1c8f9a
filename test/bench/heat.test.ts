import { expect, test } from 'vitest';
import type { Step } from '../../bench/cases/case.js';
import { heatingSteps } from '../../bench/cases/heat.js';

const WINDOW = { warmupSeconds: 0.2, seconds: 1 };
const closed = (op: 'get' | 'put', callers: 'main' | number): Step => ({
  kind: 'closed',
  op,
  inFlight: 1,
  callers,
  ...WINDOW,
});

test('a fresh process does what its steps will do before the first of them, with each of its kinds of callers', () => {
  const heating = heatingSteps([
    closed('get', 'main'),
    { kind: 'cpu', callers: 3, seconds: 1 },
    closed('put', 'main'),
    closed('get', 2),
    { ...(closed('put', 2) as Extract<Step, { kind: 'closed' }>), warmupSeconds: 9 },
  ]);
  expect(heating.map(({ inFlight }) => inFlight)).toEqual([1, 1]);
  expect(heating.map(({ callers, mix, seconds }) => [callers, mix.get, mix.put, seconds])).toEqual([
    ['main', 0.5, 0.5, 0.8],
    [2, 0.5, 0.5, 1],
  ]);
});

test('gets alone are not heated by puts, nor puts by gets', () => {
  const mixes = [closed('get', 1), closed('put', 1)].map((step) => heatingSteps([step])[0]!.mix);
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
  expect(heatingSteps([open])[0]!.mix).toMatchObject({ get: 0, put: 1 });
});
