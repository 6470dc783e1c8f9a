import { mkdir } from 'node:fs/promises';
import type { HeatLimits, OpenStep, StepReport } from '../cases/case.js';
import { heatingSteps, heatInTurn } from '../cases/heat.js';
import { LoadPool } from '../load/load-pool.js';
import { nowMs, sleepUntil } from '../measure/clock.js';
import { LatencyHistogram } from '../measure/histogram.js';
import type { LoopReport } from '../measure/loop.js';
import { Workload, type WorkloadSpec } from '../measure/workload.js';
import { remoteSystem, type RemoteSystem } from '../targets/open-target.js';
import { bucketProperties, openRinglet, ringletTarget, type RingletSpec } from '../targets/ringlet.js';
import { type Stretch, WORKS, type WorkName } from './works.js';
import type { HostStore } from '../../src/index.js';

export interface BackgroundInput {
  readonly system: RingletSpec;
  readonly workload: WorkloadSpec;
  /** With bins: those count for a kind of work in which it was under way all the time. */
  readonly step: OpenStep;
  readonly work: WorkName;
  readonly heating: HeatLimits;
}

/** What requests met while a kind of work was under way, and how fast that was. */
export interface PartReport {
  readonly part: Stretch['part'];
  readonly step: StepReport;
  readonly keys: number;
  readonly seconds: number;
}

/** What the load's thread needs to connect, and rests in its warm-up, ms; about: it says afterwards when its window began. */
const LEAD_MS = 150;
/** Work that repeats begins anew only if there is so much time left. */
const LEAST_MS = 500;

/** A store under a load from another thread, which is made to do some background work. */
export default async function backgroundCase(input: BackgroundInput): Promise<readonly PartReport[]> {
  const { system, step } = input;
  await mkdir(system.directory, { recursive: true });
  const store = await openRinglet(system);
  const target = ringletTarget(store, bucketProperties(system));
  const workload = new Workload(input.workload);
  const fill = (): Promise<void> => target.writeAll(workload);
  await fill();
  const pool = new LoadPool(1);
  const connections = (): readonly RemoteSystem[] => [remoteSystem(system, { store, target })];
  const heating = await heatInTurn(heatingSteps([step], input.heating), (heat) =>
    pool.run(connections(), heat, input.workload),
  );
  await settle(store);
  const work = WORKS[input.work];
  await work.prepare(store, fill);
  const fromMs = nowMs() + LEAD_MS + step.warmupSeconds * 1_000;
  const toMs = fromMs + step.seconds * 1_000;
  const loading = pool.run(connections(), step, input.workload);
  await sleepUntil(fromMs);
  const stretches: Stretch[] = [];
  do stretches.push(...(await work.run(store)));
  while (work.repeats && nowMs() < toMs - LEAST_MS);
  const loops = await loading;
  await pool[Symbol.asyncDispose]();
  const measuredMs = Math.min(...loops.map((loop) => loop.fromMs));
  if (stretches.length === 0) return [reportOf([{ part: 'nothing', fromMs, toMs: Infinity, keys: 0 }])];
  const parts = [...new Set(stretches.map(({ part }) => part))];
  return parts.map((part) => reportOf(stretches.filter((stretch) => stretch.part === part)));

  function reportOf(of: readonly Stretch[]): PartReport {
    const binMs = (step.seconds * 1_000) / (step.bins ?? 1);
    const within = (bin: number): boolean =>
      of.some((s) => s.fromMs <= measuredMs + bin * binMs && measuredMs + (bin + 1) * binMs <= s.toMs);
    const none = { lag: null, loads: null, cpuPerSecond: null, resources: null, heating };
    return {
      part: of[0]!.part,
      step: { loops: loops.map((loop) => only(loop, within)), ...none },
      keys: of.reduce((sum, { keys }) => sum + keys, 0),
      seconds: of.reduce((sum, s) => sum + s.toMs - s.fromMs, 0) / 1_000,
    };
  }
}

function only(loop: LoopReport, within: (bin: number) => boolean): LoopReport {
  return {
    ...loop,
    operations: loop.operations.map(({ bins = [], ...operation }) => ({
      ...operation,
      histogram: LatencyHistogram.merge(bins.filter((_, bin) => within(bin))).encode(),
    })),
  };
}

/** A scan begins when all that was written is in the engine: moving it there belongs to no work that is measured. */
async function settle(store: HostStore): Promise<void> {
  await store.bucket('bench').scan({ limit: 1 }).next();
}
