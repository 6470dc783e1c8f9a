import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { usageLine } from '../src/base/usage-line.js';
import { oneLine } from '../src/cli/failure.js';
import type { Experiment, SuiteOptions } from './suite/experiment.js';
import { loadExperiments, selectExperiments } from './suite/registry.js';
import { duration } from './suite/progress.js';
import { runSuite } from './suite/run-suite.js';
import { noteText } from './report/table.js';
import { DEFAULT_SLA, parseSla } from './suite/sla.js';
import { checkResults } from './report/check-results.js';
import type { Mode, Results, Sla } from './report/schema.js';
import { writeReport } from './report/write-report.js';

const BUDGET_SECONDS: Readonly<Record<Mode, number>> = { quick: 88, default: 890, full: 24 * 3_600 };
const DEFAULT_SEED = 20_070_914;

const NOTES = `
Exit code 1 when an experiment failed, 2 on wrong use, 130 after Ctrl-C. A goal that is missed is no failure.

Examples:
  npm run bench -- --quick
  npm run bench -- --only peers,messaging
  npm run bench -- --full --sla p99.9=1ms --out bench-results/full`;

interface Flags {
  readonly quick: boolean;
  readonly full: boolean;
  readonly sla: Sla;
  readonly report?: string;
  readonly only: readonly string[];
  readonly out?: string;
  readonly list: boolean;
  readonly json: boolean;
  readonly seed: number;
  readonly engine: SuiteOptions['engine'];
}

export async function main(argv: readonly string[]): Promise<number> {
  const command = new Command('bench')
    .description('measures Ringlet and its peers on this machine')
    .addOption(
      new Option('--quick', 'at most 90 seconds instead of 15 minutes').default(false).conflicts('full'),
    )
    .option('--full', 'as long as a million samples per point take', false)
    .option('--only <names>', 'comma-separated experiments', names, [])
    .option('--out <dir>', 'folder of the results (default: bench-results/<time>)')
    .option('--sla <sla>', 'find the highest rate that keeps it', sla, parseSla(DEFAULT_SLA))
    .option('--report <dir>', 'draw the report of an earlier run again, and stop')
    .option('--list', 'name the experiments and what they ask', false)
    .option('--json', 'one JSON object when it is done; progress and tables go to stderr', false)
    .option('--seed <number>', 'of keys, values and arrival times', wholeNumber, DEFAULT_SEED)
    .addOption(
      new Option('--engine <engine>', "Ringlet's engine").choices(['lmdb', 'memory']).default('lmdb'),
    )
    .addHelpText('after', NOTES)
    .allowExcessArguments(false)
    .configureOutput({ outputError: (text, write) => write(usageLine(text)) })
    .exitOverride();
  try {
    command.parse(argv, { from: 'user' });
  } catch (error) {
    return (error as { exitCode?: number }).exitCode === 0 ? 0 : 2;
  }
  try {
    return await run(command.opts<Flags>());
  } catch (error) {
    if (!isOfTheSystem(error)) throw error;
    process.stderr.write(`ringlet: IO: ${oneLine(error.message)}\n`);
    return 1;
  }
}

/** A folder that cannot be made or read, or a full disk; anything else is our own fault, and its stack is wanted. */
function isOfTheSystem(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

async function run(flags: Flags): Promise<number> {
  const all = await loadExperiments();
  if (flags.report !== undefined) return await drawAgain(resolve(flags.report), all, flags.json);
  const mode: Mode = flags.quick ? 'quick' : flags.full ? 'full' : 'default';
  if (flags.list) {
    list(all, mode, flags.json);
    return 0;
  }
  const outDirectory = resolve(flags.out ?? join('bench-results', timestamp()));
  const { only, seed, engine, sla } = flags;
  const options: SuiteOptions = {
    mode,
    only,
    seed,
    engine,
    budgetSeconds: BUDGET_SECONDS[mode],
    outDirectory,
    sla,
  };
  let experiments: ReturnType<typeof selectExperiments>;
  try {
    experiments = selectExperiments(all, only, mode);
  } catch (error) {
    process.stderr.write(usageLine(`error: ${(error as Error).message}`));
    return 2;
  }
  const results = await runSuite(
    experiments,
    options,
    interruptSignal(),
    flags.json ? process.stderr : process.stdout,
  );
  await writeReport(outDirectory, results, experiments);
  return conclude(results, outDirectory, flags.json);
}

async function drawAgain(
  directory: string,
  experiments: readonly Experiment[],
  json: boolean,
): Promise<number> {
  const text = await readFile(join(directory, 'results.json'), 'utf8');
  const results = parsed(text) as Results;
  const faults = checkResults(results);
  if (faults.length > 0) {
    process.stderr.write(usageLine(`error: ${directory} holds no results of this version: ${faults[0]}`));
    return 2;
  }
  await writeReport(directory, results, experiments);
  if (json) printJson(conclusion(results, directory));
  else process.stdout.write(`${join(directory, 'report.html')}\n`);
  return 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Exit code: 0, 1 after a failure, 130 after Ctrl-C. */
function conclude(results: Results, outDirectory: string, json: boolean): number {
  const notes = Object.values(results.experiments).flatMap((experiment) => experiment.notes);
  const missing = notes.filter((note) => note.kind === 'missing');
  const failed = notes.filter((note) => note.kind === 'failed');
  if (json) {
    printJson(conclusion(results, outDirectory));
  } else {
    const report = join(outDirectory, 'report.html');
    process.stdout.write(`\n${report} and results.json after ${duration(results.seconds)}\n`);
    if (missing.length > 0) process.stdout.write(`not measured:\n${missing.map(noteText).join('\n')}\n`);
    if (failed.length > 0) process.stdout.write(`failed:\n${failed.map(noteText).join('\n')}\n`);
  }
  if (failed.length > 0) return 1;
  return results.complete ? 0 : 130;
}

/** What a program wants to know of a run; the rows are in results.json. */
function conclusion({ seconds, complete, experiments }: Results, outDirectory: string): object {
  return {
    report: join(outDirectory, 'report.html'),
    results: join(outDirectory, 'results.json'),
    seconds,
    complete,
    experiments: Object.fromEntries(
      Object.entries(experiments).map(([name, { question, summary, notes }]) => [
        name,
        { question, summary, notes },
      ]),
    ),
  };
}

/** What there is, and how long each takes in a run of this length that has all of its experiments. */
function list(all: readonly Experiment[], mode: Mode, json: boolean): void {
  const lines = all.map(({ name, question, plan }) => ({ name, question, seconds: plan(mode).seconds }));
  if (json) return printJson(lines);
  for (const { name, question, seconds } of lines)
    process.stdout.write(`${name.padEnd(12)} ${duration(seconds).padStart(12)}  ${question}\n`);
}

function printJson(value: object): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The first Ctrl-C keeps what there is; the second ends at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write('\ninterrupted: keeping what there is\n');
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return controller.signal;
}

function names(value: string): readonly string[] {
  const given = value
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  // Of none it would be all.
  if (given.length === 0) throw new InvalidArgumentError('names of experiments, please');
  return given;
}

function sla(value: string): Sla {
  try {
    return parseSla(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

function wholeNumber(value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0) throw new InvalidArgumentError('a whole number, please');
  return number;
}

function timestamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(':', '-');
}
