import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { describe, describeFailure, summary } from './report.js';
import { run, type Verdict } from './run.js';

interface Flags {
  readonly seed: number;
  readonly seeds?: readonly [number, number];
  readonly minutes: number;
  readonly faults: number;
  readonly trace?: true;
  readonly json?: true;
}

const NOTES = `
Each run has a safety phase under random load and faults, then everything is healed, nothing may fail
any more, and the state of every key is compared with everything that clients did. The same seed gives
the same run. Exit code 1 on a violation, 2 on wrong use.

Examples:
  npm run sim -- --seed 7 --minutes 60
  npm run sim -- --seeds 1..300
  npm run sim -- --seed 7 --minutes 2 --trace | less`;

/** The command line of the simulator; the exit code. */
export function main(argv: readonly string[]): number {
  const program = new Command('sim')
    .description('runs a simulated cluster under random load and faults, and checks what it promises')
    .option('--seed <N>', 'the run', wholeNumber, 1)
    .option('--seeds <A..B>', 'many runs, up to the first that fails', range)
    .option('--minutes <M>', 'simulated minutes of the safety phase', positive, 10)
    .option('--faults <N>', 'faults per simulated minute, on average', positive, 1)
    .option('--trace', 'print the run as a transcript')
    .option('--json', 'one JSON object in the end; a transcript goes to stderr')
    .addHelpText('after', NOTES)
    .exitOverride();
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return simulate(program.opts<Flags>());
}

function simulate(flags: Flags): number {
  const [from, to] = flags.seeds ?? [flags.seed, flags.seed];
  const startedMs = performance.now();
  const verdicts: Verdict[] = [];
  for (let seed = from; seed <= to; seed++) {
    const verdict = run({
      seed,
      minutes: flags.minutes,
      faultsPerMinute: flags.faults,
      trace: flags.trace && (flags.json ? console.error : console.log),
      onMinute: process.stderr.isTTY && !flags.trace ? (minute) => progress(seed, minute, flags) : undefined,
    });
    verdicts.push(verdict);
    if (verdict.violations.length > 0) {
      const faults = flags.faults === 1 ? '' : ` --faults ${flags.faults}`;
      const replay = `npm run sim -- --seed ${seed} --minutes ${flags.minutes}${faults} --trace`;
      const wallMs = performance.now() - startedMs;
      if (flags.json) console.log(JSON.stringify(summary(verdicts, wallMs, replay)));
      else console.log(`${describe(verdicts, wallMs)}\n${describeFailure(verdict, replay)}`);
      return 1;
    }
    if (from !== to && !flags.json)
      console.log(`seed ${seed}: no violation, ${verdict.operations} operations`);
  }
  const wallMs = performance.now() - startedMs;
  if (flags.json) console.log(JSON.stringify(summary(verdicts, wallMs, undefined)));
  else console.log(`${describe(verdicts, wallMs)}\nno violation`);
  return 0;
}

/** A line that is written over; a simulated hour takes a while. */
function progress(seed: number, minute: number, { minutes }: Flags): void {
  process.stderr.write(`\rseed ${seed}: ${minute} of ${minutes} simulated minutes\x1b[K`);
  if (minute + 1 > minutes) process.stderr.write('\r\x1b[K');
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a whole number is needed');
}

function positive(text: string): number {
  const number = Number(text);
  if (number > 0 && number <= 100_000) return number;
  throw new InvalidArgumentError('a positive number is needed');
}

function range(text: string): readonly [number, number] {
  const found = /^(\d{1,9})\.\.(\d{1,9})$/.exec(text);
  if (found === null || Number(found[1]) > Number(found[2]))
    throw new InvalidArgumentError('two numbers are needed, as in 1..300');
  return [Number(found[1]), Number(found[2])];
}
