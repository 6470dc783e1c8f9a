import type { CaseSpec, HeatLimits, ModuleCaseSpec } from '../cases/case.js';
import { heatLimits } from '../cases/heat.js';
import type { ChildReport } from '../cases/case-process.js';
import type { Figure } from '../figures/figure.js';
import type { ExperimentResult, Mode, Row, Sla, SummaryLine } from '../report/schema.js';

export interface SuiteOptions {
  readonly mode: Mode;
  readonly only: readonly string[];
  readonly seed: number;
  /** Ringlet's storage engine where an experiment does not prescribe one. */
  readonly engine: 'lmdb' | 'memory';
  /** Wall time of the whole run; what does not fit is named as missing. */
  readonly budgetSeconds: number;
  readonly outDirectory: string;
  readonly sla: Sla;
}

/** How a run treats the processes of its cases. */
export interface ProcessPlan {
  /** False: each round of a case has a fresh one. */
  readonly stay: boolean;
  readonly heating: HeatLimits;
  /** Of the processes of an experiment that has a fresh one for each of many points. */
  readonly briefHeating: HeatLimits;
}

export function processPlan(mode: Mode, chosen: boolean): ProcessPlan {
  return {
    stay: mode !== 'full',
    heating: heatLimits(mode, chosen),
    briefHeating: heatLimits(mode, chosen, true),
  };
}

/** What the suite offers to an experiment. */
export interface ExperimentContext {
  readonly options: SuiteOptions;
  readonly signal: AbortSignal;
  /** Of every process of this run. */
  readonly processes: ProcessPlan;
  /** A directory of its own on the measured file system, removed at the end of the run. */
  scratch(name: string): string;
  /** One that stays until the experiment ends, for what runs through all of its rounds. */
  lastingScratch(name: string): string;
  /**
   * Runs a case in a fresh process. Null when it did not run (interrupted, or out of time) or gave
   * nothing; the reason is then in the notes, as is that of a case that ended early.
   */
  runCase(label: string, spec: CaseSpec | ModuleCaseSpec): Promise<ChildReport | null>;
  /**
   * The same for a case of several rounds, by its name: its process stays, stopped, from one round to the next, with
   * what it filled into its system, which takes longer than most rounds. In a full run each round has a fresh one.
   */
  runRound(name: string, round: number, specIn: (directory: string) => CaseSpec): Promise<ChildReport | null>;
  /** Runs work in this process under the same rules. */
  runHere<T>(label: string, seconds: number, work: () => Promise<T>): Promise<T | null>;
  /**
   * The numbers of the rounds that there is time for: the first in any case, more of them as long as one that
   * takes as long as the last fits into this experiment's share of the run. What is left out is in the notes.
   */
  rounds(wanted: number): Iterable<number>;
  skip(what: string, why: string): void;
}

export interface ExperimentOutput {
  readonly rows: readonly Row[];
  readonly summary?: readonly SummaryLine[];
}

export interface ExperimentPlan {
  readonly parameters: object;
  /** Expected length, for the display of the time left. */
  readonly seconds: number;
  run(context: ExperimentContext): Promise<ExperimentOutput>;
}

/** For a reader who never saw the paper. Plain sentences; no markup. */
export interface Explanation {
  /** What the figures show. */
  readonly shows: string;
  readonly measured: string;
  /** What the paper had; null where it has nothing of the kind. */
  readonly paper: string | null;
  /** What follows for choosing N, R, W, durability, or the size of the store. */
  readonly follows: string;
}

export interface Experiment {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly explanation: Explanation;
  /** Place in a run, lowest first: what a slow machine has no time for is at the end. */
  readonly order: number;
  /** Whether a quick run has it that names no experiments. */
  readonly inQuickRuns: boolean;
  /** @param chosen whether the run names its experiments */
  plan(mode: Mode, chosen?: boolean): ExperimentPlan;
  /** What this machine gave, in sentences with figures. */
  findings(result: ExperimentResult): readonly string[];
  figures(result: ExperimentResult): readonly Figure[];
}

interface Definition<P> extends Omit<Experiment, 'plan' | 'order' | 'inQuickRuns' | 'findings' | 'figures'> {
  /** Default: after all that have one. */
  readonly order?: number;
  /** Default: false; only by its name. */
  readonly inQuickRuns?: boolean;
  readonly parameters: Readonly<Record<Mode, P>>;
  /** What differs where it does not share its time with all others. */
  whenChosen?(parameters: P): P;
  seconds(parameters: P, processes: ProcessPlan): number;
  run(parameters: P, context: ExperimentContext): Promise<ExperimentOutput>;
  findings(rows: readonly Row[], parameters: P): readonly string[];
  figures(rows: readonly Row[], parameters: P): readonly Figure[];
}

const LAST = 100;

/** The default export of each file in bench/experiments/. */
export function defineExperiment<P extends object>(definition: Definition<P>): Experiment {
  const { name, title, question, explanation, order = LAST, inQuickRuns = false } = definition;
  return {
    name,
    title,
    question,
    explanation,
    order,
    inQuickRuns,
    plan(mode, chosen = false) {
      const given = definition.parameters[mode];
      const parameters = chosen ? (definition.whenChosen?.(given) ?? given) : given;
      return {
        parameters,
        seconds: definition.seconds(parameters, processPlan(mode, chosen)),
        run: (context) => definition.run(parameters, context),
      };
    },
    // The parameters of the results, not of this version: a folder may be drawn again later.
    findings: ({ rows, parameters }) => (rows.length === 0 ? [] : definition.findings(rows, parameters as P)),
    figures: ({ rows, parameters }) => (rows.length === 0 ? [] : definition.figures(rows, parameters as P)),
  };
}
