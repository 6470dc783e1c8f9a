import { failureOf } from './cli/failure.js';
import { buildProgram } from './cli/program.js';

/** Runs the command line; bin/ringlet.cjs calls it once the process is prepared. */
export async function main(argv: readonly string[]): Promise<void> {
  // The write that met it tells it, and ends the command: a store that it has opened is closed before. The help waits
  // for no write. A reader that has seen enough, as in `ringlet scan | head`, is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = 1;
  });
  // What was asked for goes on although nobody reads the messages any more, as in `ringlet load … 2>&1 | head`, or
  // the disk of the log is full.
  process.stderr.on('error', () => undefined);
  try {
    await buildProgram().parseAsync(argv);
  } catch (error) {
    const { line, exitCode } = failureOf(error);
    if (line !== undefined) console.error(line);
    process.exitCode = exitCode;
  }
}
