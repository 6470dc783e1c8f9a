import { fork, type ChildProcess } from 'node:child_process';
import type { ChildMessage, ChildSpec, StepReport } from './case.js';
import { GcTrace } from './gc-trace.js';

export interface ChildReport {
  readonly steps: readonly StepReport[];
  /** What a module case returned. */
  readonly output: unknown;
  /** Why the case did not finish, or null. */
  readonly error: string | null;
}

export interface ChildLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const STDERR_KEPT = 4_000;

/** Runs one case in a fresh process, bounded in time, and keeps what it finished. */
export async function runChild(spec: ChildSpec, limits: ChildLimits): Promise<ChildReport> {
  const child = fork(new URL('./child.js', import.meta.url), {
    execArgv: ['--expose-gc', '--trace-gc'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  const collected = new Collector(child, spec);
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(() => {
    collected.fail(`stopped after ${limits.timeoutMs} ms`);
    kill();
  }, limits.timeoutMs);
  limits.signal.addEventListener('abort', kill);
  process.once('exit', kill);
  try {
    return await collected.report();
  } finally {
    clearTimeout(timer);
    limits.signal.removeEventListener('abort', kill);
    process.removeListener('exit', kill);
  }
}

class Collector {
  readonly #child: ChildProcess;
  readonly #steps: StepReport[] = [];
  readonly #ended: Promise<string>;
  readonly #gc = new GcTrace();
  #output: unknown = null;
  #error: string | null = null;
  #done = false;
  #stderr = '';

  constructor(child: ChildProcess, spec: ChildSpec) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#gc.read(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'ready') child.send(spec);
      else this.#take(message);
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(`ended early (${signal ?? `exit code ${code}`})`));
    });
  }

  /** The first reason stands. */
  fail(error: string): void {
    this.#error ??= error;
  }

  async report(): Promise<ChildReport> {
    const ending = await this.#ended;
    if (!this.#done) this.fail(`${ending} ${this.#stderr}`.trim());
    return { steps: this.#steps, output: this.#output, error: this.#error };
  }

  #withPauses(report: StepReport): StepReport {
    const gc = this.#gc.take();
    return report.resources === null ? report : { ...report, resources: { ...report.resources, gc } };
  }

  #take(message: Exclude<ChildMessage, { type: 'ready' }>): void {
    switch (message.type) {
      case 'step':
        this.#steps.push(this.#withPauses(message.report));
        return;
      case 'output':
        this.#output = message.output;
        return;
      case 'done':
        this.#done = true;
        // Its data is thrown away: closing a store in good order would only move it to the disk first.
        this.#child.kill('SIGKILL');
        return;
      case 'failed':
        this.fail(message.error);
    }
  }
}
