import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { processPlan, type ExperimentContext, type ProcessPlan, type SuiteOptions } from './experiment.js';
import type { Progress } from './progress.js';
import { stepSeconds, type CaseSpec, type ModuleCaseSpec } from '../cases/case.js';
import { expectedHeatSeconds } from '../cases/heat.js';
import { CaseProcess, runChild, type ChildLimits, type ChildReport } from '../cases/case-process.js';
import type { Note } from '../report/schema.js';

/** Starting a process, opening a system, and filling it. */
const CASE_OVERHEAD_SECONDS = 1;
/** Connecting the callers of a step. */
const CALLERS_START_SECONDS = 0.3;
/** A case may take so many times its expected length, and this much more, before it is stopped. */
const PATIENCE = 2;
const PATIENCE_SECONDS = { quick: 20, default: 20, full: 60 } as const;

const OVERDRAWN = 'the experiment has had twice its share of the time';

export interface SuiteClock {
  /** Seconds of the budget that are left. */
  secondsLeft(): number;
  readonly signal: AbortSignal;
}

/** One experiment's access to processes, directories and the run's time. */
export class SuiteContext implements ExperimentContext, AsyncDisposable {
  readonly options: SuiteOptions;
  readonly processes: ProcessPlan;
  readonly notes: Note[] = [];
  readonly #name: string;
  readonly #clock: SuiteClock;
  readonly #progress: Progress;
  /** Seconds of the budget that are left when its share is used up, and when it has had twice its share. */
  readonly #untilLeft: number;
  readonly #leastLeft: number;
  #scratchCount = 0;
  /** Handed out for the case that comes or runs, and for those before it. */
  #scratchInUse: string[] = [];
  #scratchDone: string[] = [];
  /** Between the rounds of a case, by its name. */
  readonly #kept = new Map<string, { readonly process: CaseProcess; readonly directory: string }>();
  /** What starting them took. */
  #startedSeconds = 0;
  #isLastRound = false;

  /** @param shareSeconds what is meant for it of the time that is left now */
  constructor(
    name: string,
    options: SuiteOptions,
    clock: SuiteClock,
    progress: Progress,
    shareSeconds: number,
  ) {
    this.#name = name;
    this.options = options;
    this.processes = processPlan(options.mode, options.only.length > 0);
    this.#clock = clock;
    this.#progress = progress;
    this.#untilLeft = clock.secondsLeft() - shareSeconds;
    this.#leastLeft = clock.secondsLeft() - 2 * shareSeconds;
  }

  get signal(): AbortSignal {
    return this.#clock.signal;
  }

  scratch(name: string): string {
    const path = this.lastingScratch(name);
    this.#scratchInUse.push(path);
    return path;
  }

  lastingScratch(name: string): string {
    return join(this.#scratch, `${name}-${++this.#scratchCount}`);
  }

  get #scratch(): string {
    return join(this.options.outDirectory, 'scratch', this.#name);
  }

  /**
   * Before a case begins, what earlier ones left is removed: the kernel would go on writing it to the disk while this
   * one is measured, and a run of many cases would fill the disk. Not at their end: a server may still be stopping.
   */
  async #removeOld(): Promise<void> {
    const old = this.#scratchDone;
    [this.#scratchDone, this.#scratchInUse] = [this.#scratchInUse, []];
    await Promise.all(old.map((path) => rm(path, { recursive: true, force: true })));
  }

  async runCase(label: string, spec: CaseSpec | ModuleCaseSpec): Promise<ChildReport | null> {
    const child = spec.kind === 'steps' ? this.#heated(spec) : spec;
    return await this.#run(label, child, expectedSeconds(child, true), (limits) => runChild(child, limits));
  }

  #heated(spec: CaseSpec): CaseSpec {
    return { heating: this.processes.heating, ...spec };
  }

  async runRound(
    name: string,
    round: number,
    specIn: (directory: string) => CaseSpec,
  ): Promise<ChildReport | null> {
    const label = `${name}, round ${round + 1}`;
    if (!this.processes.stay) return await this.runCase(label, specIn(this.scratch(name)));
    const known = this.#kept.get(name);
    const directory = known?.directory ?? this.lastingScratch(name);
    const spec = this.#heated(specIn(directory));
    return await this.#run(label, spec, expectedSeconds(spec, known === undefined), async (limits) => {
      const child = known?.process ?? new CaseProcess();
      this.#kept.set(name, { process: child, directory });
      const report = await child.run(spec, limits);
      this.#startedSeconds += report.startSeconds;
      if (report.error === null && !this.#isLastRound) {
        child.pause();
      } else {
        this.#kept.delete(name);
        await child[Symbol.asyncDispose]();
      }
      return report;
    });
  }

  async #run(
    label: string,
    spec: CaseSpec | ModuleCaseSpec,
    seconds: number,
    run: (limits: ChildLimits) => Promise<ChildReport>,
  ): Promise<ChildReport | null> {
    return await this.runHere(label, seconds, async () => {
      await this.#removeOld();
      // A system for which the least was expected may have been heated for the longest time.
      const heatSeconds = spec.kind === 'steps' ? (spec.heating?.mostSeconds ?? 0) : 0;
      const patienceSeconds = Math.min(
        seconds * PATIENCE + heatSeconds + PATIENCE_SECONDS[this.options.mode],
        this.#clock.secondsLeft(),
        // On a machine that is far too slow the first experiments would leave nothing to the last.
        Math.max(seconds, this.#clock.secondsLeft() - this.#leastLeft),
      );
      const report = await run({ timeoutMs: patienceSeconds * 1_000, signal: this.signal });
      if (report.error !== null && !this.signal.aborted) throw new PartialReport(report, report.error);
      return report;
    });
  }

  /** Ends what was kept for further rounds. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#kept.values(), ({ process }) => process[Symbol.asyncDispose]()));
    await rm(this.#scratch, { recursive: true, force: true });
  }

  async runHere<T>(label: string, seconds: number, work: () => Promise<T>): Promise<T | null> {
    if (this.signal.aborted) return this.#note<T>('missing', label, 'interrupted');
    if (this.#clock.secondsLeft() < seconds) return this.#note<T>('missing', label, 'out of time');
    // A first round is had in any case, but not at the cost of all that come later.
    if (this.#isOverdrawn) return this.#note<T>('missing', label, OVERDRAWN);
    this.#progress.begin(`${this.#name}: ${label}`);
    try {
      const result = await work();
      return this.signal.aborted ? this.#note<T>('missing', label, 'interrupted', result) : result;
    } catch (error) {
      const partial = error instanceof PartialReport ? (error.report as T) : null;
      if (this.#clock.secondsLeft() <= 0) return this.#note('missing', label, 'out of time', partial);
      if (this.#isOverdrawn) return this.#note('missing', label, OVERDRAWN, partial);
      return this.#note('failed', label, error instanceof Error ? error.message : String(error), partial);
    } finally {
      this.#progress.advance(seconds);
    }
  }

  get #isOverdrawn(): boolean {
    return this.#clock.secondsLeft() <= this.#leastLeft;
  }

  *rounds(wanted: number): Generator<number> {
    for (let round = 0; round < wanted; round++) {
      const before = this.#clock.secondsLeft() + this.#startedSeconds;
      this.#isLastRound = round + 1 === wanted;
      yield round;
      const left = this.#clock.secondsLeft();
      const next = before - (left + this.#startedSeconds);
      if (this.#isLastRound || this.signal.aborted || left - next >= this.#untilLeft) continue;
      const what = round + 2 === wanted ? `round ${wanted}` : `rounds ${round + 2} to ${wanted}`;
      this.#note('missing', what, 'out of time');
      return;
    }
  }

  skip(what: string, why: string): void {
    this.#note('skipped', what, why);
  }

  #note<T>(kind: Note['kind'], what: string, why: string, result: T | null = null): T | null {
    this.notes.push({ kind, what, why });
    return result;
  }
}

/** A case that failed after some of its steps: what it finished is kept, and the failure reported. */
class PartialReport extends Error {
  override readonly name = 'PartialReport';
  readonly report: ChildReport;

  constructor(report: ChildReport, message: string) {
    super(message);
    this.report = report;
  }
}

/** @param fresh whether its process has to start, fill its system and warm up */
export function expectedSeconds(spec: CaseSpec | ModuleCaseSpec, fresh: boolean): number {
  if (spec.kind === 'module') return spec.seconds;
  const { steps, heating, system } = spec;
  const callersStart = steps.filter((step) => step.callers !== 'main').length * CALLERS_START_SECONDS;
  const heat = heating === undefined ? 0 : expectedHeatSeconds(steps, heating, system.system === 'ringlet');
  const start = fresh ? CASE_OVERHEAD_SECONDS + heat : 0;
  return start + callersStart + steps.reduce((total, step) => total + stepSeconds(step), 0);
}
