import { ringlet, type Contestant, type NamedStep } from './contestants.js';
import type { PeersParameters } from './parameters.js';
import type { Operation } from '../measure/loop.js';
import type { RingletSpec } from '../targets/ringlet.js';

/** Half of Redis' own peak, as this run measured it. */
export interface OfferedRates {
  readonly getsPerSecond: number;
  readonly putsPerSecond: number;
}

/** Redis under open-loop rates, from a generator thread as in {@link ringletThreads}. */
export function redisOpenLoop(parameters: PeersParameters, rates: OfferedRates): Contestant {
  return {
    id: 'redis-open',
    setting: 'ioredis, no persistence, half of its peak',
    redis: 'no-persistence',
    steps: openSteps(parameters, rates),
    system: ({ redisPort }) => ({ system: 'redis', port: redisPort, autoPipelining: false }),
  };
}

/**
 * Ringlet N=3 used from threads: the same open-loop rates, and one against two calling threads
 * beside a computation that shares nothing.
 */
export function ringletThreads(
  parameters: PeersParameters,
  engine: RingletSpec['engine'],
  rates: OfferedRates | null,
): Contestant {
  const open = rates === null ? [] : openSteps(parameters, rates);
  const steps = [...open, ...scalingSteps(parameters)];
  return {
    ...ringlet(3, 'buffered', engine, steps),
    id: 'ringlet-threads',
    setting: 'lww bucket, calling threads',
  };
}

function openSteps(parameters: PeersParameters, rates: OfferedRates): readonly NamedStep[] {
  const open = (name: string, putFraction: 0 | 1, perSecond: number): NamedStep => ({
    name,
    step: { kind: 'open', arrivals: 'poisson', putFraction, perSecond, callers: 1, ...parameters.open },
  });
  return [open('get-open', 0, rates.getsPerSecond), open('put-open', 1, rates.putsPerSecond)];
}

function scalingSteps({ scaling, inFlight }: PeersParameters): readonly NamedStep[] {
  const load = (name: string, op: Operation, callers: number): NamedStep => ({
    name,
    step: { kind: 'closed', op, callers, inFlight: op === 'get' ? 1 : inFlight, ...scaling },
  });
  const cpu = (callers: number): NamedStep => ({
    name: `cpu-${callers}`,
    step: { kind: 'cpu', callers, seconds: scaling.seconds },
  });
  return [
    cpu(1),
    load('get-1-caller', 'get', 1),
    load('get-2-callers', 'get', 2),
    cpu(2),
    load('put-1-caller', 'put', 1),
    load('put-2-callers', 'put', 2),
  ];
}
