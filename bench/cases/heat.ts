import type { LoadStep, Mix, MixedStep, Step } from './case.js';

/** So much longer than a step's own warm-up, and no longer than this. */
const TIMES = 4;
const LONGEST_SECONDS = 1;
const IN_FLIGHT = 32;

/** How long a fresh process is under load before its first step, for steps that warm up for so long. */
export function heatSeconds(warmupSeconds: number): number {
  return Math.min(LONGEST_SECONDS, TIMES * warmupSeconds);
}

/**
 * What a fresh process does before its first step: its own operations, for as many kinds of callers as it has. Neither
 * the system's code nor the client's is compiled yet, and a step's own warm-up is too short for that: the first
 * steps of a process had rates of a third to a half, and at offered rates a backlog that lasted for all of their window.
 */
export function heatingSteps(steps: readonly Step[]): readonly MixedStep[] {
  const loads = steps.filter((step) => step.kind !== 'cpu');
  return [...new Set(loads.map(({ callers }) => callers))].map((callers) => {
    const own = loads.filter((step) => step.callers === callers);
    return {
      kind: 'mixed',
      mix: mixOf(own),
      inFlight: Math.min(IN_FLIGHT, Math.max(...own.map(inFlightOf))),
      callers,
      warmupSeconds: 0,
      seconds: heatSeconds(Math.max(...own.map(({ warmupSeconds }) => warmupSeconds))),
    };
  });
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
