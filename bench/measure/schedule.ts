import { Random } from './random.js';

/** How intended start times are spaced: `poisson` for independent users, `constant` for a metronome. */
export type Arrivals = 'poisson' | 'constant';

export interface ScheduleSpec {
  readonly arrivals: Arrivals;
  readonly perSecond: number;
  readonly seconds: number;
  readonly seed: number;
  readonly stream: number;
}

/**
 * Intended start times in milliseconds from the start, ascending, all below the duration. They are
 * fixed before the run: a slow answer cannot delay a later request (no coordinated omission). In
 * shared memory, because the pacing thread reads them too.
 */
export function schedule(spec: ScheduleSpec): Float64Array {
  const starts = spec.arrivals === 'constant' ? constantStarts(spec) : poissonStarts(spec);
  const shared = new Float64Array(new SharedArrayBuffer(starts.length * Float64Array.BYTES_PER_ELEMENT));
  shared.set(starts);
  return shared;
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
