import { availableParallelism } from 'node:os';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { usageLine } from '../base/usage-line.js';
import { describe, describeFailure, emptyCells, summary } from './report.js';
import type { Verdict } from './run.js';
import { runInOrder, runSideBySide } from './seeds.js';

interface Flags {
  readonly seed: number;
  readonly seeds?: readonly [number, number];
  readonly minutes: number;
  readonly faults: number;
  readonly jobs?: number;
  readonly everyCell?: true;
  readonly trace?: true;
  readonly json?: true;
}

/** With --every-cell so many further runs follow at most, as a share of those that were asked for. */
const FURTHER = 0.25;

const NOTES = `
Each run has a safety phase under random load and faults, then everything is healed, nothing may fail
any more, and the state of every key is compared with everything that clients did. The same seed gives
the same run. Exit code 1 on a violation, 2 on wrong use. Several runs share the cores of the machine.

Examples:
  npm run sim -- --seed 7 --minutes 60
  npm run sim -- --seeds 1..300
  npm run sim -- --seed 7 --minutes 2 --trace | less`;

/** The command line of the simulator; the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('sim')
    .description('runs a simulated cluster under random load and faults, and checks what it promises')
    .option('--seed <N>', 'the run', wholeNumber, 1)
    .addOption(
      new Option('--seeds <A..B>', 'many runs, up to the first that fails')
        .argParser(range)
        .conflicts('seed'),
    )
    .option('--minutes <M>', 'simulated minutes of the safety phase', positive, 10)
    .option('--faults <N>', 'faults per simulated minute, on average', positive, 1)
    .option('--jobs <N>', 'runs at a time, of many (one for each core)', atLeastOne)
    .option(
      '--every-cell',
      'fails where a fault has met a state in no run, nor in up to a quarter as many further ones',
    )
    .option('--trace', 'print the run as a transcript')
    .option('--json', 'one JSON object in the end; a transcript goes to stderr')
    .addHelpText('after', NOTES)
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .exitOverride();
  try {
    program.parse(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
  return await simulate(program.opts<Flags>());
}

async function simulate(flags: Flags): Promise<number> {
  const [from, to] = flags.seeds ?? [flags.seed, flags.seed];
  const startedMs = performance.now();
  const verdicts: Verdict[] = [];
  let isGood = await judge(flags, from, to, verdicts);
  // In some runs a state does not come while a fault waits for it.
  const latest = to + Math.ceil((to - from + 1) * FURTHER);
  for (let next = to + 1; isGood && next <= latest && unmet(flags, verdicts).length > 0;) {
    const last = Math.min(latest, next + jobsOf(flags) - 1);
    isGood = await judge(flags, next, last, verdicts);
    next = last + 1;
  }
  return conclude(flags, verdicts, performance.now() - startedMs);
}

/** What --every-cell asks for and no run has met. */
function unmet(flags: Flags, verdicts: readonly Verdict[]): readonly string[] {
  return flags.everyCell ? emptyCells(verdicts) : [];
}

/** Runs seeds up to the first violation; whether there was none. */
async function judge(flags: Flags, from: number, to: number, verdicts: Verdict[]): Promise<boolean> {
  for await (const verdict of runs(flags, from, to)) {
    verdicts.push(verdict);
    if (verdict.violations.length > 0) return false;
    if (flags.seeds !== undefined && !flags.json)
      console.log(`seed ${verdict.seed}: no violation, ${verdict.operations} operations`);
  }
  return true;
}

/** Prints what was found; the exit code. */
function conclude(flags: Flags, verdicts: readonly Verdict[], wallMs: number): number {
  const last = verdicts.at(-1)!;
  const isGood = last.violations.length === 0;
  const empty = unmet(flags, verdicts);
  const faults = flags.faults === 1 ? '' : ` --faults ${flags.faults}`;
  const replay = `npm run sim -- --seed ${last.seed} --minutes ${flags.minutes}${faults} --trace`;
  if (flags.json) {
    const found = summary(verdicts, wallMs, isGood ? undefined : replay);
    console.log(JSON.stringify({ ...found, ...(flags.everyCell && { neverMet: empty }) }));
  } else {
    console.log(describe(verdicts, wallMs));
    if (!isGood) console.log(describeFailure(last, replay));
    else console.log(empty.length > 0 ? `never met: ${empty.join(', ')}` : 'no violation');
  }
  return isGood && empty.length === 0 ? 0 : 1;
}

/** A transcript is that of one run at a time. */
function runs(flags: Flags, from: number, to: number): AsyncIterable<Verdict> {
  const seeds = Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const { minutes, faults: faultsPerMinute } = flags;
  const jobs = Math.min(jobsOf(flags), seeds.length);
  if (jobs > 1) return runSideBySide(seeds, { minutes, faultsPerMinute }, jobs);
  return runInOrder(seeds, {
    minutes,
    faultsPerMinute,
    trace: flags.trace && (flags.json ? console.error : console.log),
    onMinute: process.stderr.isTTY && !flags.trace ? (minute) => progress(minute, flags) : undefined,
  });
}

function jobsOf({ jobs, trace }: Flags): number {
  return trace ? 1 : (jobs ?? availableParallelism());
}

/** A line that is written over; a simulated hour takes a while. */
function progress(minute: number, { minutes }: Flags): void {
  process.stderr.write(`\r${minute} of ${minutes} simulated minutes\x1b[K`);
  if (minute + 1 > minutes) process.stderr.write('\r\x1b[K');
}

function wholeNumber(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a whole number is needed');
}

function atLeastOne(text: string): number {
  const number = wholeNumber(text);
  if (number > 0) return number;
  throw new InvalidArgumentError('at least 1 is needed');
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
