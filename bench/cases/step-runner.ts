import type {
  CaseSpec,
  CpuStep,
  HeatReport,
  HeatStep,
  LoadStep,
  Step,
  StepReport,
  StepResources,
} from './case.js';
import { heatingSteps, heatInTurn } from './heat.js';
import { NodeLoadSampler } from './node-loads.js';
import { settle } from './settle.js';
import { LoadPool } from '../load/load-pool.js';
import { runPart, type PartReport } from '../load/load-task.js';
import { LagSampler, lagOf } from '../measure/lag.js';
import { Workload } from '../measure/workload.js';
import { openSystem, remoteSystem, type OpenSystem } from '../targets/open-target.js';

/** A system that is open in this process, filled and warm. Its end is that of the process. */
export class StepRunner {
  readonly #system: OpenSystem;
  readonly #threads: CallingThreads;
  readonly #heating: HeatReport | null;

  private constructor(system: OpenSystem, threads: CallingThreads, heating: HeatReport | null) {
    this.#system = system;
    this.#threads = threads;
    this.#heating = heating;
  }

  static async open(spec: CaseSpec): Promise<StepRunner> {
    const system = await openSystem(spec.system);
    const workload = new Workload(spec.workload);
    await system.target.writeAll(workload);
    const threads = new CallingThreads();
    const steps = spec.heating === undefined ? [] : heatingSteps(spec.steps, spec.heating);
    const heating = await heatInTurn(steps, (step) => load(spec, system, workload, threads, step));
    return new StepRunner(system, threads, heating);
  }

  /** Runs the steps of a case, of the same system and keys. */
  async run(spec: CaseSpec, report: (step: StepReport) => void): Promise<void> {
    const workload = new Workload(spec.workload);
    // What was written before, to fill it or in an earlier round, is still on its way to the disk.
    await settle();
    for (const step of spec.steps) {
      report({ ...(await this.#run(spec, workload, step)), heating: this.#heating });
    }
  }

  async #run(spec: CaseSpec, workload: Workload, step: Step): Promise<ColdReport> {
    if (step.kind === 'cpu') return await runCpu(this.#threads, step);
    return await runLoad(spec, this.#system, workload, this.#threads, step);
  }
}

type ColdReport = Omit<StepReport, 'heating'>;

async function runCpu(threads: CallingThreads, step: CpuStep): Promise<ColdReport> {
  const cpuPerSecond = await threads.of(step.callers).cpu(step.seconds);
  return { loops: [], lag: null, loads: null, cpuPerSecond, resources: null };
}

async function runLoad(
  spec: CaseSpec,
  system: OpenSystem,
  workload: Workload,
  threads: CallingThreads,
  step: LoadStep,
): Promise<ColdReport> {
  const { store } = system;
  // The memory engine has no journal and no engine to lag behind.
  const disk = store !== null && spec.system.system === 'ringlet' && spec.system.engine === 'lmdb';
  const lag = disk ? new LagSampler(() => lagOf(store.stats())) : null;
  const counted = step.kind === 'open' && step.nodeLoads === true;
  const loads = store !== null && counted ? new NodeLoadSampler(store) : null;
  const before = process.resourceUsage();
  const loops = await load(spec, system, workload, threads, step);
  const fromMs = Math.min(...loops.map((loop) => loop.fromMs));
  return {
    loops,
    lag: lag?.stop(fromMs) ?? null,
    loads: loads?.stop(fromMs, step.seconds * 1_000) ?? null,
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

async function load<S extends LoadStep | HeatStep>(
  spec: CaseSpec,
  system: OpenSystem,
  workload: Workload,
  threads: CallingThreads,
  step: S,
): Promise<readonly PartReport<S>[]> {
  if (step.callers === 'main') {
    const part = { step, workload: spec.workload, caller: 0, callers: 1 };
    return [await runPart(system.target, workload, part)];
  }
  const pool = threads.of(step.callers);
  const connections = Array.from({ length: pool.threads }, () => remoteSystem(spec.system, system));
  return await pool.run(connections, step, spec.workload);
}

/**
 * The calling threads of all steps of a case. They stay, so that what they have compiled serves the steps to come: with
 * new ones each step began with a backlog that no short warm-up took away.
 */
class CallingThreads {
  readonly #pools = new Map<number, LoadPool>();

  of(threads: number): LoadPool {
    const pool = this.#pools.get(threads) ?? new LoadPool(threads);
    this.#pools.set(threads, pool);
    return pool;
  }
}
