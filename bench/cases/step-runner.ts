import type { CaseSpec, CpuStep, LoadStep, StepReport, StepResources } from './case.js';
import { NodeLoadSampler } from './node-loads.js';
import { settle } from './settle.js';
import { LoadPool } from '../load/load-pool.js';
import { runPart } from '../load/load-task.js';
import { nowMs } from '../measure/clock.js';
import { LagSampler, lagOf } from '../measure/lag.js';
import type { LoopReport } from '../measure/loop.js';
import { Workload } from '../measure/workload.js';
import { openSystem, remoteSystem, type OpenSystem } from '../targets/open-target.js';

/** Opens the case's system in this process, fills it, and runs the steps. Its end is that of the process. */
export async function runSteps(spec: CaseSpec, report: (step: StepReport) => void): Promise<void> {
  const system = await openSystem(spec.system);
  const workload = new Workload(spec.workload);
  await system.target.writeAll(workload);
  await settle();
  for (const step of spec.steps) {
    report(step.kind === 'cpu' ? await runCpu(step) : await runLoad(spec, system, workload, step));
  }
}

async function runCpu(step: CpuStep): Promise<StepReport> {
  const pool = new LoadPool(step.callers);
  try {
    const cpuPerSecond = await pool.cpu(step.callers, step.seconds);
    return { loops: [], lag: null, loads: null, cpuPerSecond, resources: null };
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}

async function runLoad(
  spec: CaseSpec,
  system: OpenSystem,
  workload: Workload,
  step: LoadStep,
): Promise<StepReport> {
  const { store } = system;
  // The memory engine has no journal and no engine to lag behind.
  const disk = store !== null && spec.system.system === 'ringlet' && spec.system.engine === 'lmdb';
  const lag = disk ? new LagSampler(() => lagOf(store.stats())) : null;
  const loads = store && new NodeLoadSampler(store);
  const before = process.resourceUsage();
  loads?.start(step.warmupSeconds * 1_000, step.seconds * 1_000);
  const { beginMs, loops } =
    step.callers === 'main'
      ? await loadHere(spec, system, workload, step)
      : await loadFromThreads(spec, system, step, step.callers);
  return {
    loops,
    lag: lag?.stop(beginMs + step.warmupSeconds * 1_000) ?? null,
    loads: loads?.stop() ?? null,
    cpuPerSecond: null,
    resources: resourcesSince(before),
  };
}

function resourcesSince(before: NodeJS.ResourceUsage): StepResources {
  const now = process.resourceUsage();
  return {
    voluntarySwitches: now.voluntaryContextSwitches - before.voluntaryContextSwitches,
    involuntarySwitches: now.involuntaryContextSwitches - before.involuntaryContextSwitches,
    cpuSeconds: (now.userCPUTime - before.userCPUTime + now.systemCPUTime - before.systemCPUTime) / 1e6,
    // The parent has them: only it sees the traces of all threads.
    gc: null,
  };
}

interface LoadOutcome {
  readonly beginMs: number;
  readonly loops: readonly LoopReport[];
}

async function loadHere(
  spec: CaseSpec,
  system: OpenSystem,
  workload: Workload,
  step: LoadStep,
): Promise<LoadOutcome> {
  const beginMs = nowMs();
  const part = { step, workload: spec.workload, caller: 0, callers: 1 };
  return { beginMs, loops: [await runPart(system.target, workload, part)] };
}

async function loadFromThreads(
  spec: CaseSpec,
  system: OpenSystem,
  step: LoadStep,
  callers: number,
): Promise<LoadOutcome> {
  const pool = new LoadPool(callers);
  try {
    const connections = Array.from({ length: callers }, () => remoteSystem(spec.system, system));
    return await pool.load(connections, step, spec.workload);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}
