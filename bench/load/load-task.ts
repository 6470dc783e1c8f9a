import type { LoadStep } from '../cases/case.js';
import { runClosedLoop } from '../measure/closed-loop.js';
import type { LoopReport } from '../measure/loop.js';
import { runMixedLoop } from '../measure/mixed-loop.js';
import { runOpenLoop } from '../measure/open-loop.js';
import type { Workload, WorkloadSpec } from '../measure/workload.js';
import type { RemoteSystem } from '../targets/open-target.js';
import type { Target } from '../targets/target.js';

/** One calling thread's part of a step. */
export interface LoadTask {
  readonly kind: 'load';
  readonly remote: RemoteSystem;
  readonly step: LoadStep;
  readonly workload: WorkloadSpec;
  /** Number of this caller, and of all callers of the step. */
  readonly caller: number;
  readonly callers: number;
  /** All callers of a step begin at this time of the shared clock, ms. */
  readonly beginMs: number;
}

export interface CpuTask {
  readonly kind: 'cpu';
  readonly beginMs: number;
  readonly seconds: number;
}

export interface StepPart {
  readonly step: LoadStep;
  readonly workload: WorkloadSpec;
  readonly caller: number;
  readonly callers: number;
}

/** Runs a caller's part in this thread. */
export async function runPart(target: Target, workload: Workload, part: StepPart): Promise<LoopReport> {
  const { step, caller, callers } = part;
  const { valueBytes, seed } = part.workload;
  if (step.kind === 'closed') return await runClosedLoop(target, workload, { ...step, valueBytes });
  if (step.kind === 'mixed') return await runMixedLoop(target, workload, step);
  return await runOpenLoop(target, workload, {
    ...step,
    perSecond: step.perSecond / callers,
    valueBytes,
    seed,
    stream: 1_000 + caller,
  });
}
