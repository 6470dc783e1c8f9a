import { performance } from 'node:perf_hooks';
import { nowMs, sleepUntil } from './clock.js';
import { LatencyHistogram } from './histogram.js';
import {
  OPERATIONS,
  type LoopReport,
  type MeasuredOperation,
  type Operation,
  type OperationReport,
} from './loop.js';
import { Pacer } from './pacer.js';
import { schedule, type Arrivals } from './schedule.js';
import type { Workload } from './workload.js';
import { expectValue, type Target } from '../targets/target.js';

export interface OpenLoopSpec {
  /** Fraction of puts among the requests, 0 to 1. */
  readonly putFraction: number;
  readonly arrivals: Arrivals;
  readonly perSecond: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly seed: number;
  readonly stream: number;
  /** Histograms of so many equal parts of the window besides the whole. */
  readonly bins?: number;
}

/** Requests that wait for an answer at the same time; later ones queue, and their wait counts. */
const MAX_OUTSTANDING = 2_048;
/** Requests sent before the event loop gets a turn: answers that arrive over a socket must be read meanwhile. */
const MAX_BURST = 32;
/** A step whose system cannot keep up is given up after this many times its length. */
const PATIENCE = 1.5;
/** Requests in flight while code is compiled and connections are set up. */
const HEATING_LANES = 32;

/** Time as a loop knows it. */
export interface LoopTime {
  nowMs(): number;
  sleepUntil(atMs: number): Promise<void>;
  /** See {@link Pacer}. */
  pacer(starts: Float64Array, beganMs: number): Pick<Pacer, 'sleepUntil' | 'wake' | 'stop'>;
}

const REAL_TIME: LoopTime = { nowMs, sleepUntil, pacer: (starts, beganMs) => new Pacer(starts, beganMs) };

/**
 * Requests at intended start times that are fixed beforehand. A latency runs from the intended
 * start to the answer, whatever delayed the sending: the generator's own lateness is part of it and
 * is also reported by itself.
 */
export async function runOpenLoop(
  target: Target,
  workload: Workload,
  spec: OpenLoopSpec,
  time = REAL_TIME,
): Promise<LoopReport> {
  return await new OpenLoop(target, workload, spec, time).run();
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

class Tally {
  readonly histogram = new LatencyHistogram();
  readonly bins: readonly LatencyHistogram[];
  completed = 0;
  failed = 0;

  constructor(bins: number) {
    this.bins = Array.from({ length: bins }, () => new LatencyHistogram());
  }
}

class OpenLoop {
  readonly #target: Target;
  readonly #workload: Workload;
  readonly #spec: OpenLoopSpec;
  readonly #time: LoopTime;
  readonly #starts: Float64Array;
  readonly #lateness = new LatencyHistogram();
  readonly #tallies: Record<MeasuredOperation, Tally>;
  #pacer: ReturnType<LoopTime['pacer']> | undefined;
  /** Requests by their place in the schedule that were sent and have no answer. */
  readonly #pending = new Map<number, Operation>();
  #beganMs = 0;

  constructor(target: Target, workload: Workload, spec: OpenLoopSpec, time: LoopTime) {
    this.#target = target;
    this.#workload = workload;
    this.#spec = spec;
    this.#time = time;
    const tally = (): Tally => new Tally(spec.bins ?? 0);
    this.#tallies = { get: tally(), put: tally(), rmw: tally() };
    const leadSeconds = spec.warmupSeconds / 2;
    this.#starts = schedule({ ...spec, leadSeconds, seconds: leadSeconds + spec.seconds });
  }

  async run(): Promise<LoopReport> {
    const { warmupSeconds, seconds } = this.#spec;
    const time = this.#time;
    await this.#heat(time.nowMs() + warmupSeconds * 500);
    this.#beganMs = time.nowMs() + 100;
    const measuredFromMs = this.#beganMs + warmupSeconds * 500;
    const giveUpMs = measuredFromMs + seconds * 1_000 * PATIENCE + 500;
    const goesOn = (): boolean => time.nowMs() < giveUpMs || !this.#answered;
    const pacer = time.pacer(this.#starts, this.#beganMs);
    this.#pacer = pacer;
    const giveUp = setTimeout(() => pacer.wake(), giveUpMs - time.nowMs());
    await time.sleepUntil(this.#beganMs - 2);
    let elu = performance.eventLoopUtilization();
    let warm = false;
    let next = 0;
    while (next < this.#starts.length && goesOn()) {
      const dueMs = this.#beganMs + this.#starts[next]!;
      if (this.#pending.size >= MAX_OUTSTANDING) {
        if (time.nowMs() < giveUpMs) await pacer.sleepUntil(giveUpMs);
        else await time.sleepUntil(time.nowMs() + 1);
      } else if (dueMs > time.nowMs()) {
        await pacer.sleepUntil(dueMs);
      } else {
        if (!warm && dueMs >= measuredFromMs) {
          warm = true;
          elu = performance.eventLoopUtilization();
        }
        this.#send(next++, dueMs, warm);
        // An answer that is there at once is taken before the next request is sent.
        await (next % MAX_BURST === 0 ? nextTurn() : Promise.resolve());
      }
    }
    const utilisation = performance.eventLoopUtilization(elu).utilization;
    while (this.#pending.size > 0 && goesOn()) await time.sleepUntil(time.nowMs() + 1);
    clearTimeout(giveUp);
    // Before the pacing thread has ended, which may take a while on a busy machine.
    const unfinished = this.#giveUp(next, measuredFromMs);
    const report = this.#report(measuredFromMs, utilisation, unfinished);
    await pacer.stop();
    return report;
  }

  /**
   * Whether each operation of the mix was answered in the window. Until then nothing is given up: a disk or a
   * machine may stand still for longer than a short window, and a system that never answers is stopped from outside.
   */
  get #answered(): boolean {
    const { putFraction } = this.#spec;
    const { get, put } = this.#tallies;
    return (
      (putFraction === 1 || get.completed + get.failed > 0) &&
      (putFraction === 0 || put.completed + put.failed > 0)
    );
  }

  /**
   * The first half of the warm-up is a closed loop: code that is not compiled yet could not keep up
   * with the schedule, and its backlog would reach into the measured window.
   */
  async #heat(untilMs: number): Promise<void> {
    const lane = async (): Promise<void> => {
      while (this.#time.nowMs() < untilMs) await this.#request(this.#draw());
    };
    await Promise.all(Array.from({ length: HEATING_LANES }, lane));
  }

  #draw(): Operation {
    return this.#workload.chance(this.#spec.putFraction) ? 'put' : 'get';
  }

  #send(index: number, dueMs: number, measured: boolean): void {
    const op = this.#draw();
    const tally = this.#tallies[op];
    if (measured) this.#lateness.recordMs(this.#time.nowMs() - dueMs);
    this.#pending.set(index, op);
    const settle = (outcome: 'completed' | 'failed'): void => {
      // An answer that comes after the step was given up has been counted by its wait.
      if (!this.#pending.has(index)) return;
      if (this.#pending.size >= MAX_OUTSTANDING) this.#pacer?.wake();
      this.#pending.delete(index);
      if (!measured) return;
      tally[outcome]++;
      this.#record(tally, dueMs);
    };
    this.#request(op).then(
      () => settle('completed'),
      () => settle('failed'),
    );
  }

  /**
   * What has no answer when a step is given up counts with the time that it has waited: its latency is longer, and
   * without it the percentiles would be those of the lucky ones.
   *
   * @param next the first request that was not even sent
   * @returns how many there are
   */
  #giveUp(next: number, measuredFromMs: number): number {
    const unsent = this.#starts.length - next;
    const waiting: (readonly [number, Operation])[] = [
      ...this.#pending,
      ...Array.from({ length: unsent }, (_, i) => [next + i, this.#draw()] as const),
    ];
    this.#pending.clear();
    for (const [index, op] of waiting) {
      const dueMs = this.#beganMs + this.#starts[index]!;
      if (dueMs >= measuredFromMs && dueMs <= this.#time.nowMs()) this.#record(this.#tallies[op], dueMs);
    }
    return waiting.length;
  }

  async #request(op: Operation): Promise<void> {
    if (op === 'put') {
      await this.#target.put(this.#workload.key(), this.#workload.value());
    } else {
      expectValue(this.#target, await this.#target.get(this.#workload.key()), this.#spec.valueBytes);
    }
  }

  /** A failed request counts with the time it took, too: dropping it would flatter the tail. */
  #record(tally: Tally, dueMs: number): void {
    const tookMs = this.#time.nowMs() - dueMs;
    const { bins, histogram } = tally;
    histogram.recordMs(tookMs);
    if (bins.length === 0) return;
    const sinceMs = dueMs - this.#beganMs - this.#spec.warmupSeconds * 500;
    bins[Math.floor((sinceMs / this.#spec.seconds / 1_000) * bins.length)]?.recordMs(tookMs);
  }

  #report(measuredFromMs: number, eventLoopUtilisation: number, unfinished: number): LoopReport {
    const seconds = (this.#time.nowMs() - measuredFromMs) / 1_000;
    const operations = OPERATIONS.flatMap((op): OperationReport[] => {
      const { completed, failed, histogram, bins } = this.#tallies[op];
      if (completed + failed === 0) return [];
      const opsPerSecond = completed / seconds;
      const report = { op, completed, failed, opsPerSecond, histogram: histogram.encode() };
      return [bins.length === 0 ? report : { ...report, bins: bins.map((bin) => bin.encode()) }];
    });
    return {
      operations,
      fromMs: measuredFromMs,
      seconds,
      eventLoopUtilisation,
      lateness: this.#lateness.encode(),
      unfinished,
    };
  }
}
