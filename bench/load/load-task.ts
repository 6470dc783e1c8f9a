import type { HeatReport, HeatStep, LoadStep } from '../cases/case.js';
import { runClosedLoop } from '../measure/closed-loop.js';
import { runHeating } from '../measure/heating.js';
import type { LoopReport } from '../measure/loop.js';
import { runMixedLoop } from '../measure/mixed-loop.js';
import { runOpenLoop } from '../measure/open-loop.js';
import type { Workload, WorkloadSpec } from '../measure/workload.js';
import type { RemoteSystem } from '../targets/open-target.js';
import type { Target } from '../targets/target.js';

/** One calling thread's part of a step, or of heating. */
export interface LoadTask<S extends LoadStep | HeatStep = LoadStep | HeatStep> {
  readonly kind: 'load';
  readonly remote: RemoteSystem;
  readonly step: S;
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

/** What {@link runPart} gives. */
export type PartReport<S extends LoadStep | HeatStep> = S extends HeatStep ? HeatReport : LoopReport;

export interface StepPart {
  readonly step: LoadStep | HeatStep;
  readonly workload: WorkloadSpec;
  readonly caller: number;
  readonly callers: number;
}

/** Runs a caller's part in this thread. */
export async function runPart<S extends LoadStep | HeatStep>(
  target: Target,
  workload: Workload,
  part: StepPart & { readonly step: S },
): Promise<PartReport<S>> {
  return (await reportOf(target, workload, part)) as PartReport<S>;
}

async function reportOf(
  target: Target,
  workload: Workload,
  part: StepPart,
): Promise<LoopReport | HeatReport> {
  const { step, caller, callers } = part;
  const { valueBytes, seed } = part.workload;
  if (step.kind === 'heat') return await runHeating(target, workload, step);
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
