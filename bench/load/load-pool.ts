import { Piscina } from 'piscina';
import type { HeatStep, LoadStep } from '../cases/case.js';
import { nowMs } from '../measure/clock.js';
import type { WorkloadSpec } from '../measure/workload.js';
import type { RemoteSystem } from '../targets/open-target.js';
import type { CpuTask, LoadTask, PartReport } from './load-task.js';

/** Time for threads to connect and make their keys before they begin together, ms. */
const LEAD_MS = 250;

/** Calling threads of a case: Piscina threads that run one long task each. */
export class LoadPool implements AsyncDisposable {
  readonly threads: number;
  readonly #piscina: Piscina;

  constructor(threads: number) {
    this.threads = threads;
    this.#piscina = new Piscina({
      filename: new URL('./load-worker.js', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
    });
  }

  /** A thread per connection. */
  async run<S extends LoadStep | HeatStep>(
    connections: readonly RemoteSystem[],
    step: S,
    workload: WorkloadSpec,
  ): Promise<readonly PartReport<S>[]> {
    const callers = connections.length;
    const beginMs = nowMs() + (callers === 1 ? 0 : LEAD_MS);
    return await Promise.all(
      connections.map((remote, caller) => {
        const task: LoadTask<S> = { kind: 'load', remote, step, workload, caller, callers, beginMs };
        const transferList = remote.system === 'ringlet' ? [...remote.handle.transferList] : [];
        return this.#piscina.run(task, { transferList }) as Promise<PartReport<S>>;
      }),
    );
  }

  /** Iterations per second of all threads together. */
  async cpu(seconds: number): Promise<number> {
    const task: CpuTask = { kind: 'cpu', seconds, beginMs: nowMs() + LEAD_MS };
    const rates = await Promise.all(
      Array.from({ length: this.threads }, () => this.#piscina.run(task) as Promise<number>),
    );
    return rates.reduce((total, rate) => total + rate, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#piscina.destroy();
  }
}
