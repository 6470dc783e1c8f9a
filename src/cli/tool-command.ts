import { existsSync } from 'node:fs';
import { Command } from 'commander';
import { RingletError } from '../base/errors.js';

/** The benchmark beside the built sources. The package leaves it out: it needs the peers that it measures. */
const BENCH = new URL('../../bench/main.js', import.meta.url);

interface BenchModule {
  main(argv: readonly string[]): Promise<number>;
}

/** `ringlet sim`: as `npm run sim`. */
export function simCommand(): Command {
  return toolCommand(
    'sim',
    'a simulated cluster under random load and faults, and whether it keeps its promises',
    // Loaded when it is wanted: every other command starts sooner without it.
    async (argv) => (await import('../sim/main.js')).main(argv),
  );
}

/** `ringlet bench`: as `npm run bench`. */
export function benchCommand(entry = BENCH): Command {
  return toolCommand('bench', 'measures this store and its peers on this machine', async (argv) => {
    if (!existsSync(entry)) {
      throw new RingletError(
        'USAGE',
        'the benchmark is no part of the package: clone the repository and run "npm ci && npm run bench" there',
        {},
      );
    }
    const { main } = (await import(entry.href)) as BenchModule;
    return await main(argv);
  });
}

/** A program with options and a help text of its own. */
function toolCommand(
  name: string,
  description: string,
  main: (argv: readonly string[]) => number | Promise<number>,
): Command {
  return new Command(name)
    .description(`${description}; --help lists its options`)
    .usage('[options]')
    .helpOption(false)
    .allowUnknownOption()
    .argument('[options...]')
    .action(async (argv: string[]) => {
      // It has nothing open that wants to be closed, and waits for no write.
      process.stdout.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') process.exit(0);
      });
      process.exitCode = await main(argv);
    });
}
