import { peers, ringletContestants, type Contestant } from './contestants.js';
import { redisOpenLoop, ringletThreads } from './thread-contestants.js';
import { expectedMemorySeconds } from './memory.js';
import type { PeersParameters } from './parameters.js';
import { type Step, stepSeconds } from '../cases/case.js';
import { expectedHeatSeconds } from '../cases/heat.js';
import { WORKLOAD } from '../suite/defaults.js';
import type { ProcessPlan } from '../suite/experiment.js';
import { openSeconds } from '../suite/load-steps.js';
import { sum } from '../measure/statistics.js';

/** Starting a process, opening another system than ours, and filling it. */
const PEER_SECONDS = 1.2;
const CALLERS_START_SECONDS = 0.3;
/** Rates do not change the length. */
const RATES = { getsPerSecond: 1, putsPerSecond: 1 };

export function expectedPeersSeconds(parameters: PeersParameters, processes: ProcessPlan): number {
  const contestants = [
    ...peers(parameters, false),
    ...ringletContestants(parameters, 'lmdb'),
    redisOpenLoop(parameters, RATES),
    ringletThreads(parameters, 'lmdb', RATES),
  ];
  const start = sum(contestants.map((contestant) => contestantStartSeconds(contestant, processes)));
  const rounds = contestants.map(({ steps }) => length(steps.map(({ step }) => step)));
  return (
    (processes.stay ? 1 : parameters.rounds) * start +
    parameters.rounds * sum(rounds) +
    expectedMemorySeconds(parameters.records)
  );
}

function contestantStartSeconds({ system, steps }: Contestant, processes: ProcessPlan): number {
  const isRinglet = system({ directory: '', redisPort: 0 }).system === 'ringlet';
  const heat = expectedHeatSeconds(
    steps.map(({ step }) => step),
    processes.heating,
    isRinglet,
  );
  return heat + (isRinglet ? openSeconds(WORKLOAD.keys) : PEER_SECONDS);
}

function length(steps: readonly Step[]): number {
  const threads = steps.filter((step) => step.callers !== 'main').length;
  return threads * CALLERS_START_SECONDS + sum(steps.map(stepSeconds));
}
