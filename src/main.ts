import { failureOf } from './cli/failure.js';
import { buildProgram } from './cli/program.js';

/** Runs the command line; bin/ringlet.cjs calls it once the process is prepared. */
export async function main(argv: readonly string[]): Promise<void> {
  // A reader that has seen enough, as in `ringlet scan | head`, is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    // Another one, such as of a full disk, is told by the write that met it; the help waits for none.
    process.exitCode = 1;
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
