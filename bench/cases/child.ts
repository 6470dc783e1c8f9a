import type { CaseModule, ChildMessage, ChildSpec, ModuleCaseSpec } from './case.js';
import { StepRunner } from './step-runner.js';

/** The system of this process, opened and filled by its first case of steps. */
let runner: StepRunner | undefined;

/** Entry of a case's process: takes specifications, one at a time, and sends reports until it is killed. */
async function run(spec: ChildSpec): Promise<void> {
  try {
    if (spec.kind === 'module') {
      send({ type: 'output', output: await runModule(spec) });
    } else {
      runner ??= await StepRunner.open(spec);
      send({ type: 'opened' });
      await runner.run(spec, (report) => send({ type: 'step', report }));
    }
    send({ type: 'done' });
  } catch (error) {
    send({ type: 'failed', error: describe(error) });
  }
}

async function runModule({ url, input }: ModuleCaseSpec): Promise<unknown> {
  const module = (await import(url)) as { default: CaseModule<unknown, unknown> };
  return await module.default(input);
}

/** The message, what a RingletError adds to it, and the innermost frame: enough to find the place. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, details } = error as { code?: unknown; details?: unknown };
  const extra = [code, details].filter((part) => part !== undefined).map((part) => JSON.stringify(part));
  const frame = error.stack?.split('\n').find((line) => line.trimStart().startsWith('at '));
  return [`${error.name}: ${error.message}`, ...extra, frame?.trim() ?? ''].join(' ').trim();
}

function send(message: ChildMessage): void {
  // An error means that the parent is gone: nobody is left to be told.
  process.send?.(message, undefined, undefined, () => undefined);
}

// The parent decides what Ctrl-C means; without a parent there is nobody to report to.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
process.on('message', (spec: ChildSpec) => void run(spec));
send({ type: 'ready' });
