import type { ChildSpec } from '../cases/case.js';
import type { ChildReport } from '../cases/run-child.js';
import type { Mode, Row, SummaryLine } from '../report/schema.js';

export interface SuiteOptions {
  readonly mode: Mode;
  readonly only: readonly string[];
  readonly seed: number;
  /** Ringlet's storage engine where an experiment does not prescribe one. */
  readonly engine: 'lmdb' | 'memory';
  /** Wall time of the whole run; what does not fit is named as missing. */
  readonly budgetSeconds: number;
  readonly outDirectory: string;
}

/** What the suite offers to an experiment. */
export interface ExperimentContext {
  readonly options: SuiteOptions;
  readonly signal: AbortSignal;
  /** A directory of its own on the measured file system, removed at the end of the run. */
  scratch(name: string): string;
  /**
   * Runs a case in a fresh process. Null when it did not run (interrupted, or out of time) or gave
   * nothing; the reason is then in the notes, as is that of a case that ended early.
   */
  runCase(label: string, spec: ChildSpec): Promise<ChildReport | null>;
  /** Runs work in this process under the same rules. */
  runHere<T>(label: string, seconds: number, work: () => Promise<T>): Promise<T | null>;
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

export interface Experiment {
  readonly name: string;
  readonly question: string;
  plan(mode: Mode): ExperimentPlan;
}

interface Definition<P> {
  readonly name: string;
  readonly question: string;
  readonly parameters: Readonly<Record<Mode, P>>;
  seconds(parameters: P): number;
  run(parameters: P, context: ExperimentContext): Promise<ExperimentOutput>;
}

/** The default export of each file in bench/experiments/. */
export function defineExperiment<P extends object>(definition: Definition<P>): Experiment {
  const { name, question } = definition;
  return {
    name,
    question,
    plan(mode) {
      const parameters = definition.parameters[mode];
      return {
        parameters,
        seconds: definition.seconds(parameters),
        run: (context) => definition.run(parameters, context),
      };
    },
  };
}
