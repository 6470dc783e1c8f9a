import type { LagReport } from '../measure/lag.js';
import type { LoopReport, Operation } from '../measure/loop.js';
import type { Arrivals } from '../measure/schedule.js';
import type { WorkloadSpec } from '../measure/workload.js';
import type { SystemSpec } from '../targets/open-target.js';

/** One system in a fresh process: filled once, then the steps in order. Plain data: it is sent to the child. */
export interface CaseSpec {
  readonly kind: 'steps';
  readonly system: SystemSpec;
  readonly workload: WorkloadSpec;
  readonly steps: readonly Step[];
  /** Added by the suite unless it is given; it knows how much time there is. Without it the process is not heated. */
  readonly heating?: HeatLimits;
}

/** Work of its own in a fresh process: a module whose default export is a {@link CaseModule}. */
export interface ModuleCaseSpec {
  readonly kind: 'module';
  readonly url: string;
  readonly input: unknown;
  /** Expected length. */
  readonly seconds: number;
}

/** Input and output are plain data. */
export type CaseModule<I, O> = (input: I) => Promise<O>;

export type ChildSpec = CaseSpec | ModuleCaseSpec;

interface StepTime {
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Calling threads; `main` is the process' own, which opened the store. */
  readonly callers: 'main' | number;
}
/** As many operations as possible with a fixed number in flight per caller. */
export interface ClosedStep extends StepTime {
  readonly kind: 'closed';
  readonly op: Operation;
  readonly inFlight: number;
}
/** As {@link ClosedStep}, of several operations by their shares; each is timed. */
export interface MixedStep extends StepTime {
  readonly kind: 'mixed';
  readonly mix: Mix;
  readonly inFlight: number;
}
/** Shares of the operations; they sum to 1. An insert is counted as a put. */
export interface Mix {
  readonly get: number;
  readonly put: number;
  readonly insert: number;
  readonly rmw: number;
}
/** Requests at intended start times, divided among the callers. */
export interface OpenStep extends StepTime {
  readonly kind: 'open';
  readonly putFraction: number;
  readonly arrivals: Arrivals;
  readonly perSecond: number;
  /** Histograms of so many equal parts of the window besides the whole. */
  readonly bins?: number;
  /** Whether what each node serves is counted, which costs the main thread some time. */
  readonly nodeLoads?: boolean;
}
/** A pure computation on so many threads: what two cores are worth here and now. */
export interface CpuStep {
  readonly kind: 'cpu';
  readonly callers: number;
  readonly seconds: number;
}
/** What a fresh process does before its first step: load until its rate stops rising. */
export interface HeatStep extends HeatLimits {
  readonly kind: 'heat';
  readonly mix: Mix;
  readonly inFlight: number;
  readonly callers: LoadStep['callers'];
}
export interface HeatLimits {
  /** No verdict before. */
  readonly leastSeconds: number;
  /** Nor later; for all kinds of callers of a process together. */
  readonly mostSeconds: number;
}
export type LoadStep = ClosedStep | MixedStep | OpenStep;
export type Step = LoadStep | CpuStep;

/** Requests that each node served during a step, in bins of equal length. */
export interface NodeLoads {
  readonly nodes: readonly { readonly id: string; readonly capacity: number }[];
  readonly bins: readonly (readonly number[])[];
}

/** How the process of a step was heated, by all kinds of callers together. */
export interface HeatReport {
  readonly seconds: number;
  /** False: the time was over while the rate still rose. */
  readonly steady: boolean;
}

export interface StepReport {
  /** One per caller. */
  readonly loops: readonly LoopReport[];
  /** Only for Ringlet. */
  readonly lag: LagReport | null;
  /** Only where the step asks for it. */
  readonly loads: NodeLoads | null;
  /** Only for a CPU step: iterations per second of all threads. */
  readonly cpuPerSecond: number | null;
  /** Of the whole process, from the start of the step's warm-up to its end. */
  readonly resources: StepResources | null;
  /** Null where the process was not heated. */
  readonly heating: HeatReport | null;
}

export interface StepResources {
  readonly voluntarySwitches: number;
  readonly involuntarySwitches: number;
  readonly cpuSeconds: number;
  /** Pauses of garbage collection in any thread; null where they were not traced. */
  readonly gc: GcPauses | null;
}

export interface GcPauses {
  readonly pauses: number;
  readonly totalMs: number;
  readonly longestMs: number;
}

/** What the child sends, in order; a case that ends early has sent what it finished. */
export type ChildMessage =
  | { readonly type: 'ready' }
  /** Its system is open, filled and warm. */
  | { readonly type: 'opened' }
  | { readonly type: 'step'; readonly report: StepReport }
  | { readonly type: 'output'; readonly output: unknown }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly error: string };

export function stepSeconds(step: Step): number {
  return step.seconds + ('warmupSeconds' in step ? step.warmupSeconds : 0);
}
