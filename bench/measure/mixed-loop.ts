import { performance } from 'node:perf_hooks';
import type { Mix, MixedStep } from '../cases/case.js';
import { nowMs } from './clock.js';
import { LatencyHistogram } from './histogram.js';
import { OPERATIONS, type LoopReport, type MeasuredOperation } from './loop.js';
import type { Workload } from './workload.js';
import { MissingValueError, type Target } from '../targets/target.js';

interface Tally {
  readonly histogram: LatencyHistogram;
  completed: number;
}

/** As many operations as possible with a fixed number in flight, drawn by their shares, each timed. */
export async function runMixedLoop(target: Target, workload: Workload, step: MixedStep): Promise<LoopReport> {
  const run = { get: tally(), put: tally(), rmw: tally() };
  await lanes(target, workload, step, nowMs() + step.warmupSeconds * 1_000, null);
  const elu = performance.eventLoopUtilization();
  const beganMs = nowMs();
  await lanes(target, workload, step, beganMs + step.seconds * 1_000, run);
  const seconds = (nowMs() - beganMs) / 1_000;
  return {
    operations: OPERATIONS.flatMap((op) => {
      const { completed, histogram } = run[op];
      if (completed === 0) return [];
      return [{ op, completed, failed: 0, opsPerSecond: completed / seconds, histogram: histogram.encode() }];
    }),
    fromMs: beganMs,
    seconds,
    eventLoopUtilisation: performance.eventLoopUtilization(elu).utilization,
    lateness: null,
    unfinished: 0,
  };
}

async function lanes(
  target: Target,
  workload: Workload,
  { mix, inFlight }: MixedStep,
  untilMs: number,
  run: Readonly<Record<MeasuredOperation, Tally>> | null,
): Promise<void> {
  const lane = async (): Promise<void> => {
    for (let sentMs = nowMs(); sentMs < untilMs; sentMs = nowMs()) {
      const op = await operate(target, workload, mix);
      if (run === null) continue;
      run[op].completed++;
      run[op].histogram.recordMs(nowMs() - sentMs);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
}

/** One operation, drawn by its share. */
export async function operate(target: Target, workload: Workload, mix: Mix): Promise<MeasuredOperation> {
  const draw = workload.fraction();
  if (draw < mix.get) {
    await read(target, workload.key());
    return 'get';
  }
  if (draw < mix.get + mix.rmw) {
    const key = workload.key();
    await read(target, key);
    await target.put(key, workload.value());
    return 'rmw';
  }
  const insert = draw >= mix.get + mix.rmw + mix.put;
  const key = insert ? workload.newKey() : workload.key();
  await target.put(key, workload.value());
  if (insert) workload.announce(key);
  return 'put';
}

async function read(target: Target, key: string): Promise<void> {
  if (target.valueBytes(await target.get(key)) < 0)
    throw new MissingValueError(`a get found nothing under ${key}`);
}

function tally(): Tally {
  return { histogram: new LatencyHistogram(), completed: 0 };
}
