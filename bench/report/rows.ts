import type { Row } from './schema.js';
import type { LoadStep, StepReport } from '../cases/case.js';
import { LatencyHistogram, type LatencySummary } from '../measure/histogram.js';
import { OPERATIONS, type LoopReport, type MeasuredOperation } from '../measure/loop.js';
import { DIURNAL_MEAN } from '../measure/schedule.js';
import { median, relativeSpread, sum } from '../measure/statistics.js';
import type { SystemSpec } from '../targets/open-target.js';

/** What a row says about the system, beside the figures. */
export type RowSubject = Pick<Row, 'system' | 'setting' | 'n' | 'r' | 'w' | 'durability' | 'engine'>;

/** Below this many samples a p99.9 is marked: it rests on fewer than a hundred values. */
export const TRUSTED_P999_SAMPLES = 100_000;
export const GENERATOR_BOUND_UTILISATION = 0.9;

/** A row without a single figure, for what is neither a get nor a put. */
export const EMPTY_ROW = {
  op: null,
  n: null,
  r: null,
  w: null,
  durability: null,
  engine: null,
  callers: null,
  inFlight: null,
  offeredPerSecond: null,
  opsPerSecond: null,
  meanUs: null,
  p50Us: null,
  p99Us: null,
  p999Us: null,
  maxUs: null,
  samples: null,
  rounds: 1,
  generatorBound: null,
} as const;

export function subjectOf(spec: SystemSpec, setting: string): RowSubject {
  const subject = { system: spec.system, setting, n: null, r: null, w: null, durability: null, engine: null };
  if (spec.system !== 'ringlet') return subject;
  const { n, r, w, durability, engine } = spec;
  return { ...subject, n, r, w, durability, engine };
}

/**
 * One row per operation of a step: the rate is the median of the rounds, percentiles are read from
 * the histograms of all rounds and callers added together.
 */
export function rowsOf(subject: RowSubject, step: LoadStep, rounds: readonly StepReport[]): Row[] {
  return OPERATIONS.flatMap((op) => {
    const measured = rounds.filter(({ loops }) => loops.some((loop) => operationOf(loop, op) !== undefined));
    return measured.length === 0 ? [] : [rowOf(subject, step, op, measured)];
  });
}

function rowOf(
  subject: RowSubject,
  step: LoadStep,
  op: MeasuredOperation,
  rounds: readonly StepReport[],
): Row {
  const loops = rounds.flatMap((round) => round.loops);
  const operations = loops.flatMap((loop) => operationOf(loop, op) ?? []);
  const histogram = LatencyHistogram.merge(operations.map((operation) => operation.histogram));
  const roundRates = rounds.map((round) =>
    sum(round.loops.map((loop) => operationOf(loop, op)?.opsPerSecond ?? 0)),
  );
  const summary = histogram.summary();
  const rounded = rounds.map((round) => roundSummary(round, op));
  return {
    ...subject,
    op,
    callers: step.callers === 'main' ? 1 : step.callers,
    inFlight: step.kind === 'open' ? null : step.inFlight,
    offeredPerSecond: offeredPerSecond(step, op),
    opsPerSecond: median(roundRates),
    ...summary,
    rounds: rounds.length,
    generatorBound: step.kind === 'open' ? generatorBound(loops) : null,
    p999FewSamples: summary.samples < TRUSTED_P999_SAMPLES,
    roundOpsPerSecond: roundRates,
    roundP50Us: rounded.map(({ p50Us }) => p50Us),
    roundP999Us: rounded.map(({ p999Us }) => p999Us),
    spread: relativeSpread(roundRates),
    seconds: step.seconds,
    warmupSeconds: step.warmupSeconds,
    failed: sum(operations.map((operation) => operation.failed)),
    unfinished: sum(loops.map((loop) => loop.unfinished)),
    arrivals: step.kind === 'open' ? step.arrivals : null,
    eventLoopUtilisation: Math.max(...loops.map((loop) => loop.eventLoopUtilisation)),
    lateness: latenessOf(loops),
    lag: rounds.map((round) => round.lag),
    resources: rounds.map((round) => round.resources),
    heating: rounds.map((round) => round.heating),
    stillRising: rounds.some(({ heating }) => heating?.steady === false),
    histogram: histogram.encode(),
  };
}

function roundSummary(round: StepReport, op: MeasuredOperation): LatencySummary {
  const operations = round.loops.flatMap((loop) => operationOf(loop, op) ?? []);
  return LatencyHistogram.merge(operations.map((operation) => operation.histogram)).summary();
}

function operationOf(loop: LoopReport, op: MeasuredOperation): LoopReport['operations'][number] | undefined {
  return loop.operations.find((operation) => operation.op === op);
}

function offeredPerSecond(step: LoadStep, op: MeasuredOperation): number | null {
  if (step.kind !== 'open') return null;
  const mean = step.arrivals === 'diurnal' ? DIURNAL_MEAN : 1;
  return mean * step.perSecond * (op === 'put' ? step.putFraction : 1 - step.putFraction);
}

function generatorBound(loops: readonly LoopReport[]): boolean {
  return loops.some((loop) => loop.eventLoopUtilisation > GENERATOR_BOUND_UTILISATION);
}

/** How late the generator sent, already part of the latencies. */
function latenessOf(loops: readonly LoopReport[]): Record<'p50Us' | 'p99Us' | 'maxUs', number | null> | null {
  const recorded = loops.flatMap((loop) => loop.lateness ?? []);
  if (recorded.length === 0) return null;
  const { p50Us, p99Us, maxUs } = LatencyHistogram.merge(recorded).summary();
  return { p50Us, p99Us, maxUs };
}
