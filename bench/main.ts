import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { usageLine } from '../src/base/usage-line.js';
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
  return await run(command.opts<Flags>());
}

async function run(flags: Flags): Promise<number> {
  const all = await loadExperiments();
  if (flags.list) {
    if (flags.json) printJson(all.map(listed));
    else
      for (const experiment of all) {
        const length = duration(experiment.plan('default').seconds).padStart(12);
        process.stdout.write(`${experiment.name.padEnd(12)} ${length}  ${experiment.question}\n`);
      }
    return 0;
  }
  if (flags.report !== undefined) return await drawAgain(resolve(flags.report), all, flags.json);
  const mode: Mode = flags.quick ? 'quick' : flags.full ? 'full' : 'default';
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
  const results = JSON.parse(await readFile(join(directory, 'results.json'), 'utf8')) as Results;
  const faults = checkResults(results);
  if (faults.length > 0) {
    process.stderr.write(`error: ${directory} holds no results of this version: ${faults[0]}\n`);
    return 2;
  }
  await writeReport(directory, results, experiments);
  if (json) printJson(conclusion(results, directory));
  else process.stdout.write(`${join(directory, 'report.html')}\n`);
  return 0;
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

function listed({ name, question, plan }: Experiment): object {
  return { name, question, seconds: plan('default').seconds };
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
  return value.split(',').filter((name) => name !== '');
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
