import type { OpenStep, StepReport } from '../cases/case.js';
import type { ProcessPlan } from './experiment.js';
import { LatencyHistogram } from '../measure/histogram.js';
import type { Operation } from '../measure/loop.js';

export interface Window {
  readonly warmupSeconds: number;
  readonly seconds: number;
}

/** Connecting the calling threads of a step, and its pacing thread. */
const STEP_OVERHEAD_SECONDS = 0.3;
/** Starting a process and opening a store. */
const PROCESS_SECONDS = 1.2;
/** Filling it: by threads whose code is not compiled yet. */
const FILLED_PER_SECOND = 50_000;

/** Half gets, half puts from one calling thread at Poisson times, unless said otherwise. */
export function openStep(perSecond: number, window: Window, more: Partial<OpenStep> = {}): OpenStep {
  const { warmupSeconds, seconds } = window;
  return {
    kind: 'open',
    arrivals: 'poisson',
    putFraction: 0.5,
    perSecond,
    callers: 1,
    warmupSeconds,
    seconds,
    ...more,
  };
}

/** A fresh process with a store that holds so many keys, until its first step; more for large values. */
export function startSeconds(keys: number, { heating }: Pick<ProcessPlan, 'heating'>): number {
  return openSeconds(keys) + heating.mostSeconds;
}

/** The same before it is warm. */
export function openSeconds(keys: number): number {
  return PROCESS_SECONDS + keys / FILLED_PER_SECOND;
}

/** So many steps in each round of a case, and what its process takes, or its processes. */
export function caseSeconds(
  processes: ProcessPlan,
  keys: number,
  steps: number,
  { warmupSeconds, seconds }: Window,
  rounds = 1,
): number {
  return (
    (processes.stay ? 1 : rounds) * startSeconds(keys, processes) +
    rounds * steps * (warmupSeconds + seconds + STEP_OVERHEAD_SECONDS)
  );
}

export interface BinSummary {
  readonly meanUs: number | null;
  readonly p999Us: number | null;
  readonly samples: number;
}

/** The bins of a step's window for one operation, added over callers and rounds. */
export function binSummaries(rounds: readonly StepReport[], op: Operation): readonly BinSummary[] {
  const reports = rounds.flatMap(({ loops }) =>
    loops.flatMap(({ operations }) => operations.filter((report) => report.op === op)),
  );
  const count = Math.max(0, ...reports.map(({ bins }) => bins?.length ?? 0));
  return Array.from({ length: count }, (_, bin) => {
    const merged = LatencyHistogram.merge(reports.flatMap(({ bins }) => bins?.[bin] ?? []));
    const { meanUs, p999Us, samples } = merged.summary();
    return { meanUs, p999Us, samples };
  });
}
