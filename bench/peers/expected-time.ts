import { peers, ringletContestants } from './contestants.js';
import { redisOpenLoop, ringletThreads } from './thread-contestants.js';
import { expectedMemorySeconds } from './memory.js';
import type { PeersParameters } from './parameters.js';
import { type Step, stepSeconds } from '../cases/case.js';
import { heatingSteps } from '../cases/heat.js';
import { WORKLOAD } from '../suite/defaults.js';
import { startSeconds } from '../suite/load-steps.js';
import { sum } from '../measure/statistics.js';

/** Starting a process, opening another system than ours, and filling it. */
const PEER_SECONDS = 1.2;
const CALLERS_START_SECONDS = 0.3;
/** Rates do not change the length. */
const RATES = { getsPerSecond: 1, putsPerSecond: 1 };

export function expectedPeersSeconds(parameters: PeersParameters): number {
  const contestants = [
    ...peers(parameters, false),
    ...ringletContestants(parameters, 'lmdb'),
    redisOpenLoop(parameters, RATES),
    ringletThreads(parameters, 'lmdb', RATES),
  ];
  const steps = contestants.flatMap(({ steps: own }) => own.map(({ step }) => step));
  const heating = contestants.flatMap(({ steps: own }) => heatingSteps(own.map(({ step }) => step)));
  const start = sum(
    contestants.map(({ id }) => (id.startsWith('ringlet') ? startSeconds(WORKLOAD.keys, 0) : PEER_SECONDS)),
  );
  return (
    start + length(heating) + parameters.rounds * length(steps) + expectedMemorySeconds(parameters.records)
  );
}

function length(steps: readonly Step[]): number {
  const threads = steps.filter((step) => step.callers !== 'main').length;
  return threads * CALLERS_START_SECONDS + sum(steps.map(stepSeconds));
}
