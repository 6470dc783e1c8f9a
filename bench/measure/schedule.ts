import { Random } from './random.js';

/**
 * How intended start times are spaced: `poisson` for independent users, `constant` for a metronome, `diurnal`: Poisson
 * at a rate that rises from an eighth of the peak to the peak and falls again (the paper's day).
 */
export type Arrivals = 'poisson' | 'constant' | 'diurnal';

export interface ScheduleSpec {
  readonly arrivals: Arrivals;
  /** Of `diurnal` the peak. */
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly stream: number;
  /** Of `seconds`, so many come before the day begins; they have its first rate. */
  readonly leadSeconds?: number;
}

/** Low load over peak load, as in Fig. 6 of the paper. */
export const NIGHT = 1 / 8;

/** Mean rate of a day over its peak. */
export const DIURNAL_MEAN = (1 + NIGHT) / 2;

/** Share of the peak rate at a moment of the day, 0 to 1. */
export function diurnalShare(dayFraction: number): number {
  const within = Math.min(1, Math.max(0, dayFraction));
  return NIGHT + ((1 - NIGHT) * (1 - Math.cos(2 * Math.PI * within))) / 2;
}

/**
 * Intended start times in milliseconds from the start, ascending, all below the duration. They are
 * fixed before the run: a slow answer cannot delay a later request (no coordinated omission). In
 * shared memory, because the pacing thread reads them too.
 */
export function schedule(spec: ScheduleSpec): Float64Array {
  const starts = startsOf(spec);
  const shared = new Float64Array(new SharedArrayBuffer(starts.length * Float64Array.BYTES_PER_ELEMENT));
  shared.set(starts);
  return shared;
}

function startsOf(spec: ScheduleSpec): readonly number[] {
  switch (spec.arrivals) {
    case 'constant':
      return constantStarts(spec);
    case 'poisson':
      return poissonStarts(spec);
    case 'diurnal':
      return diurnalStarts(spec);
  }
}

/** Thinning: arrivals at the peak rate, each kept with the share of its moment. */
function diurnalStarts(spec: ScheduleSpec): number[] {
  const random = new Random(spec.seed, spec.stream + 500_000);
  const leadMs = (spec.leadSeconds ?? 0) * 1_000;
  const dayMs = spec.seconds * 1_000 - leadMs;
  return poissonStarts(spec).filter((atMs) => random.next() < diurnalShare((atMs - leadMs) / dayMs));
}

function constantStarts({ perSecond, seconds }: ScheduleSpec): number[] {
  const gapMs = 1_000 / perSecond;
  return Array.from({ length: Math.floor(perSecond * seconds) }, (_, index) => index * gapMs);
}

function poissonStarts({ perSecond, seconds, seed, stream }: ScheduleSpec): number[] {
  const random = new Random(seed, stream);
  const meanGapMs = 1_000 / perSecond;
  const starts: number[] = [];
  for (let atMs = random.exponential(meanGapMs); atMs < seconds * 1_000;) {
    starts.push(atMs);
    atMs += random.exponential(meanGapMs);
  }
  return starts;
}
