import { Command } from 'commander';
import { changedGoals, compareResults, unmatched } from './compare/compare.js';
import { readResults } from './compare/results.js';
import { compareScreen } from './compare/screen.js';
import { RingletError } from '../base/errors.js';
import { shareOf } from './durations.js';
import { print } from './key-command.js';

interface CompareFlags {
  readonly noise?: number;
  readonly failAbove?: number;
  readonly all?: true;
  readonly json?: true;
}

const NOTES = `
A and B are folders that the benchmark wrote, or their results.json. A figure has changed when its
95 % confidence interval leaves out "equal" and the change is larger than the noise threshold: 5 % of
rates, 10 % of p50, 25 % of p99.9, unless --noise says otherwise. With two or more rounds the interval
comes from the rounds; with one only from the samples, and the threshold has to stand for the rest.
Exit code 1 with --fail-above when a figure of the store regressed by more, or writes are gone that were
not before. How the peers changed says what the machine did meanwhile.

Example:
  ringlet compare bench-results/before bench-results/after --fail-above 10%`;

/** `ringlet compare A B`: what became better or worse between two runs of the benchmark. */
export function compareCommand(): Command {
  return new Command('compare')
    .description('two runs of the benchmark, figure by figure: improved, regressed, no change')
    .argument('<A>', 'folder of the earlier run')
    .argument('<B>', 'folder of the later run')
    .option('--noise <SHARE>', 'smaller changes count as none, such as 10%', shareOf('noise'))
    .option(
      '--fail-above <SHARE>',
      'exit code 1 when a figure regressed by more, such as 10%',
      shareOf('fail-above'),
    )
    .option('--all', 'also what did not change')
    .option('--json', 'one JSON object')
    .addHelpText('after', NOTES)
    .action(async (a: string, b: string, { noise, failAbove, all, json }: CompareFlags) => {
      const [before, after] = await Promise.all([readResults(a), readResults(b)]);
      const comparisons = compareResults(before, after, noise === undefined ? {} : { noise });
      const missing = unmatched(before, after);
      const goals = changedGoals(before, after);
      if (comparisons.length === 0 && goals.length === 0) throw nothingInCommon(a, b);
      const screen = { before, after, comparisons, unmatched: missing, goals, all: all === true };
      await print(
        json === true
          ? `${JSON.stringify({ comparisons, unmatched: missing, goals })}\n`
          : compareScreen(screen),
      );
      const regressed = comparisons.some(
        ({ isOurs, verdict, worse }) =>
          isOurs && verdict === 'regressed' && failAbove !== undefined && worse > failAbove,
      );
      // A write that is gone where none may be is more than any share of nothing.
      const broken = goals.some(({ metAfter, required }) => !metAfter && required === 0);
      if (regressed || (broken && failAbove !== undefined)) process.exitCode = 1;
    });
}

/** Else a run in which everything failed would have no regression. */
function nothingInCommon(a: string, b: string): RingletError {
  return new RingletError(
    'BAD_REQUEST',
    `${a} and ${b} have no figure in common; name two runs of the same experiments`,
    { a, b },
  );
}
