import type { HeatLimits, HeatReport, HeatStep, LoadStep, Mix, Step } from './case.js';
import type { Mode } from '../report/schema.js';

/**
 * A store takes seconds of load until its code is compiled: each of its threads compiles it for itself, and they share
 * the cores with the requests. A whole default run has some seventy processes, a quick one seventeen in 90 s. The rule is
 * the same for all systems (see {@link hasStoppedRising}); those without threads of their own stop early.
 */
const LIMITS: Readonly<Record<Mode, Record<'shared' | 'chosen' | 'brief', HeatLimits>>> = {
  quick: {
    shared: { leastSeconds: 0.5, mostSeconds: 1 },
    chosen: { leastSeconds: 0.5, mostSeconds: 3 },
    brief: { leastSeconds: 0.5, mostSeconds: 1 },
  },
  default: {
    shared: { leastSeconds: 0.8, mostSeconds: 2.5 },
    chosen: { leastSeconds: 2, mostSeconds: 15 },
    brief: { leastSeconds: 0.5, mostSeconds: 0.8 },
  },
  full: {
    shared: { leastSeconds: 2, mostSeconds: 30 },
    chosen: { leastSeconds: 2, mostSeconds: 30 },
    brief: { leastSeconds: 2, mostSeconds: 30 },
  },
};

/**
 * @param chosen whether the run names its experiments, which then need not share the time with all others
 * @param brief of an experiment with a fresh process for each of many points
 */
export function heatLimits(mode: Mode, chosen: boolean, brief = false): HeatLimits {
  return LIMITS[mode][chosen ? 'chosen' : brief ? 'brief' : 'shared'];
}

const IN_FLIGHT = 32;

/**
 * What a fresh process does before its first step: its own operations, for as many kinds of callers as it has. Neither
 * the system's code nor the client's is compiled yet, and a step's own warm-up is too short for that: the first
 * steps of a process had rates of a third to a half, and at offered rates a backlog that lasted for all of their window.
 */
export function heatingSteps(steps: readonly Step[], limits: HeatLimits): readonly HeatStep[] {
  const loads = steps.filter((step) => step.kind !== 'cpu');
  return [...new Set(loads.map(({ callers }) => callers))].map((callers) => {
    const own = loads.filter((step) => step.callers === callers);
    return {
      kind: 'heat',
      mix: mixOf(own),
      inFlight: Math.min(IN_FLIGHT, Math.max(...own.map(inFlightOf))),
      callers,
      ...limits,
    };
  });
}

/** The system is warm after the first kind of callers; further ones have only their own code to compile. */
export function expectedHeatSeconds(steps: readonly Step[], limits: HeatLimits, isRinglet: boolean): number {
  const { leastSeconds, mostSeconds } = limits;
  const kinds = heatingSteps(steps, limits).length;
  if (kinds === 0) return 0;
  return (isRinglet ? mostSeconds : leastSeconds) + (kinds - 1) * leastSeconds;
}

/** Heats by the steps in turn; the most seconds are for all of them together, the least for each. */
export async function heatInTurn(
  steps: readonly HeatStep[],
  heat: (step: HeatStep) => Promise<readonly HeatReport[]>,
): Promise<HeatReport | null> {
  let [total, steady] = [0, true];
  for (const step of steps) {
    const left = step.mostSeconds - total;
    const reports = await heat({ ...step, mostSeconds: Math.max(step.leastSeconds, left) });
    total += Math.max(...reports.map(({ seconds }) => seconds));
    steady &&= reports.every((report) => report.steady);
  }
  return steps.length === 0 ? null : { seconds: total, steady };
}

function mixOf(steps: readonly LoadStep[]): Mix {
  const [gets, puts] = [steps.some((step) => getsOf(step) > 0), steps.some((step) => getsOf(step) < 1)];
  const get = gets ? (puts ? 0.5 : 1) : 0;
  return { get, put: 1 - get, insert: 0, rmw: 0 };
}

/** Large values may have few at a time: the store bounds the bytes that wait. */
function inFlightOf(step: LoadStep): number {
  return step.kind === 'open' ? IN_FLIGHT : step.inFlight;
}

/** Share of gets. */
function getsOf(step: LoadStep): number {
  switch (step.kind) {
    case 'closed':
      return step.op === 'get' ? 1 : 0;
    case 'open':
      return 1 - step.putFraction;
    case 'mixed':
      return step.mix.get;
  }
}
