import { fork, type ChildProcess } from 'node:child_process';
import type { ChildMessage, ChildSpec, StepReport } from './case.js';
import { GcTrace } from './gc-trace.js';

export interface ChildReport {
  readonly steps: readonly StepReport[];
  /** What a module case returned. */
  readonly output: unknown;
  /** Why the case did not finish, or null. */
  readonly error: string | null;
  /** Until its system was open, filled and warm: next to nothing where it was so already. */
  readonly startSeconds: number;
}

export interface ChildLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const STDERR_KEPT = 4_000;

const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/** Runs one case in a fresh process, bounded in time, and keeps what it finished. */
export async function runChild(spec: ChildSpec, limits: ChildLimits): Promise<ChildReport> {
  await using child = new CaseProcess();
  return await child.run(spec, limits);
}

/**
 * A process for a case, or for the rounds of one: it opens and fills its system in the first, and stands still between
 * them. It is killed in the end: its data is thrown away, and closing a store in good order would only move it to the
 * disk first.
 */
export class CaseProcess implements AsyncDisposable {
  readonly #child = fork(new URL('./child.js', import.meta.url), {
    execArgv: ['--expose-gc', '--trace-gc'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  readonly #gc = new GcTrace();
  readonly #ready: Promise<void>;
  readonly #ended: Promise<string>;
  #stderr = '';
  #take: (message: ChildMessage) => void = () => undefined;

  constructor() {
    const child = this.#child;
    living.add(child);
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#gc.read(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_KEPT);
    });
    this.#ready = new Promise((resolve) => {
      child.on('message', (message: ChildMessage) => {
        if (message.type === 'ready') resolve();
        else this.#take(message);
      });
    });
    this.#ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(`ended early (${signal ?? `exit code ${code}`})`));
    });
  }

  /** One at a time. After an error the process is of no further use. */
  async run(spec: ChildSpec, { timeoutMs, signal }: ChildLimits): Promise<ChildReport> {
    let stopped: string | undefined;
    const timer = setTimeout(() => {
      stopped = `stopped after ${timeoutMs} ms`;
      this.#kill();
    }, timeoutMs);
    signal.addEventListener('abort', this.#kill);
    const steps: StepReport[] = [];
    let output: unknown = null;
    const beganMs = performance.now();
    let openedMs = beganMs;
    const answered = new Promise<string | null>((resolve) => {
      this.#take = (message) => {
        if (message.type === 'step') steps.push(this.#withPauses(message.report));
        else if (message.type === 'output') output = message.output;
        else if (message.type === 'opened') openedMs = performance.now();
        else resolve(message.type === 'failed' ? message.error : null);
      };
    });
    const ended = this.#ended.then((ending) => stopped ?? `${ending} ${this.#stderr}`.trim());
    try {
      this.#child.kill('SIGCONT');
      await Promise.race([this.#ready, ended]);
      // An error means that the process is gone, which is told by its end.
      this.#child.send(spec, () => undefined);
      const error = await Promise.race([answered, ended]);
      return { steps, output, error, startSeconds: (openedMs - beganMs) / 1_000 };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', this.#kill);
    }
  }

  /** It does nothing until its next run: an idle store still watches over its peers. */
  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await this.#ended;
    living.delete(this.#child);
  }

  readonly #kill = (): void => void this.#child.kill('SIGKILL');

  #withPauses(report: StepReport): StepReport {
    const gc = this.#gc.take();
    return report.resources === null ? report : { ...report, resources: { ...report.resources, gc } };
  }
}
