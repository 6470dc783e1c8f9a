import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SuiteContext, type SuiteClock } from './context.js';
import type { Experiment, ExperimentPlan, SuiteOptions } from './experiment.js';
import { describeCommit, describeMachine } from './machine.js';
import { Progress } from './progress.js';
import { checkExperiment } from '../report/check-results.js';
import {
  SCHEMA_VERSION,
  type ExperimentResult,
  type Note,
  type Results,
  type Row,
} from '../report/schema.js';
import { experimentText } from '../report/table.js';

/** Time kept back for writing results and removing scratch directories. */
const RESERVE_SECONDS = 2;

interface Planned {
  readonly experiment: Experiment;
  readonly plan: ExperimentPlan;
}

/**
 * Runs experiments one after the other and writes results.json after each, so that an interrupted
 * run leaves what it has.
 *
 * @param tables where each experiment is shown once it is done
 */
export async function runSuite(
  experiments: readonly Experiment[],
  options: SuiteOptions,
  signal: AbortSignal,
  tables: NodeJS.WritableStream = process.stdout,
): Promise<Results> {
  const startedAt = new Date();
  const beganMs = performance.now();
  const secondsSoFar = (): number => (performance.now() - beganMs) / 1_000;
  const clock: SuiteClock = {
    signal,
    secondsLeft: () => options.budgetSeconds - RESERVE_SECONDS - secondsSoFar(),
  };
  const scratch = join(options.outDirectory, 'scratch');
  const isChosen = options.only.length > 0;
  const planned = experiments.map((experiment) => ({
    experiment,
    plan: experiment.plan(options.mode, isChosen),
  }));
  let plannedSeconds = planned.reduce((total, { plan }) => total + plan.seconds, 0);
  const progress = new Progress(plannedSeconds, clock.secondsLeft, tables);
  const finished: Record<string, ExperimentResult> = {};
  const machine = await describeMachine(scratch);
  const commit = await describeCommit();
  const resultsNow = (): Results => ({
    schemaVersion: SCHEMA_VERSION,
    machine,
    commit,
    seed: options.seed,
    options: {
      mode: options.mode,
      only: options.only,
      engine: options.engine,
      budgetSeconds: options.budgetSeconds,
      sla: options.sla,
    },
    startedAt: startedAt.toISOString(),
    seconds: secondsSoFar(),
    complete: !signal.aborted && Object.keys(finished).length === planned.length,
    experiments: finished,
  });
  try {
    for (const { experiment, plan } of planned) {
      // Its part of what is left: on a slow machine each has fewer rounds, instead of some having none.
      const shareSeconds = (clock.secondsLeft() * plan.seconds) / plannedSeconds;
      await using context = new SuiteContext(experiment.name, options, clock, progress, shareSeconds);
      const result = await runExperiment({ experiment, plan }, context);
      finished[experiment.name] = result;
      plannedSeconds -= plan.seconds;
      progress.remains(plannedSeconds);
      progress.print(experimentText(experiment.name, result));
      // Where the disk is full of what was measured, there is room again at the end.
      await writeResults(options.outDirectory, resultsNow()).catch(() => undefined);
    }
  } finally {
    progress.stop();
    await rm(scratch, { recursive: true, force: true });
  }
  const results = resultsNow();
  await writeResults(options.outDirectory, results);
  return results;
}

async function runExperiment(
  { experiment, plan }: Planned,
  context: SuiteContext,
): Promise<ExperimentResult> {
  const beganMs = performance.now();
  const finish = (output: Partial<ExperimentResult>, notes: readonly Note[]): ExperimentResult => ({
    question: experiment.question,
    parameters: plan.parameters,
    seconds: (performance.now() - beganMs) / 1_000,
    rows: [],
    summary: [],
    ...output,
    notes: [...context.notes, ...notes],
  });
  try {
    const output = await plan.run(context);
    return checked(experiment.name, finish(output, output.rows.flatMap(nothingFinished)));
  } catch (error) {
    const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return finish({}, [{ kind: 'failed', what: experiment.name, why }]);
  }
}

/** A slow disk answers nothing within a short window: that is said, where a figure would be. */
function nothingFinished({ system, setting, op, samples }: Row): Note[] {
  const what = `${system}, ${setting}: ${op}`;
  return samples === 0 ? [{ kind: 'missing', what, why: 'nothing finished within its window' }] : [];
}

/** A fault of ours, such as a rate that is no number, is reported; the figures are kept, and the run goes on. */
function checked(name: string, result: ExperimentResult): ExperimentResult {
  const faults = checkExperiment(name, result);
  if (faults.length === 0) return result;
  const fault: Note = { kind: 'failed', what: name, why: `not as the schema has it: ${faults.join('; ')}` };
  // What is no number is null in JSON, and so in the report.
  const { rows, summary } = JSON.parse(JSON.stringify(result)) as ExperimentResult;
  return { ...result, rows, summary, notes: [...result.notes, fault] };
}

/** Replaced in one step: a reader never sees half a file. */
async function writeResults(directory: string, results: Results): Promise<void> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, 'results.json');
  await writeFile(`${path}.new`, `${JSON.stringify(results, null, 1)}\n`);
  await rename(`${path}.new`, path);
}
