import { Piscina } from 'piscina';
import type { LoadStep } from '../cases/case.js';
import { nowMs } from '../measure/clock.js';
import type { LoopReport } from '../measure/loop.js';
import type { WorkloadSpec } from '../measure/workload.js';
import type { RemoteSystem } from '../targets/open-target.js';
import type { CpuTask, LoadTask } from './load-task.js';

/** Time for threads to connect and make their keys before a step begins, ms. */
const LEAD_MS = 250;

/** The calling threads of a case: Piscina threads that run one long task each. */
export class LoadPool implements AsyncDisposable {
  readonly #piscina: Piscina;

  constructor(threads: number) {
    this.#piscina = new Piscina({
      filename: new URL('./load-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
    });
  }

  async load(
    connections: readonly RemoteSystem[],
    step: LoadStep,
    workload: WorkloadSpec,
  ): Promise<{ readonly beginMs: number; readonly loops: readonly LoopReport[] }> {
    const beginMs = nowMs() + LEAD_MS;
    const callers = connections.length;
    const loops = await Promise.all(
      connections.map((remote, caller) => {
        const task: LoadTask = { kind: 'load', remote, step, workload, caller, callers, beginMs };
        const transferList = remote.system === 'ringlet' ? [...remote.handle.transferList] : [];
        return this.#piscina.run(task, { transferList }) as Promise<LoopReport>;
      }),
    );
    return { beginMs, loops };
  }

  /** Iterations per second of all threads together. */
  async cpu(threads: number, seconds: number): Promise<number> {
    const task: CpuTask = { kind: 'cpu', seconds, beginMs: nowMs() + LEAD_MS };
    const rates = await Promise.all(
      Array.from({ length: threads }, () => this.#piscina.run(task) as Promise<number>),
    );
    return rates.reduce((total, rate) => total + rate, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#piscina.destroy();
  }
}
