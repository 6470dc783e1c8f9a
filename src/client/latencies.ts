import type { Latency } from './api.js';
import type { StoreView } from './view.js';

/**
 * How long requests took, as each caller's thread has seen them: histograms in shared memory that only
 * that thread writes and anybody reads and adds up. Nothing is ever set back, so that a slot's
 * next caller goes on counting.
 *
 * Per caller, operation, bucket and outcome one histogram of doubles, which a process that answers millions of
 * gets per second does not fill in a hundred years, and a processor stores whole:
 *
 *     cells   requests by duration in µs: 0…7 each, then four cells per power of two
 *     sum     of the durations in µs
 *     used    1 once there was a request: most of them never see one, and readers pass them by
 */
export const OPERATIONS = ['get', 'put', 'delete', 'increment'] as const;
export const OUTCOMES = ['ok', 'miss', 'error'] as const;
export const OP_GET = 0;
/** Outcome of a get without a live value. */
export const MISS = 1;
export const OK = 0;
export const ERROR = 2;

/** Buckets with a label of their own, by number; 0 stands for all others. */
const LABELS = 32;
const EXACT = 8;
const OCTAVES = 24;
/** The last one holds everything longer, too: 67 s. */
export const CELLS = EXACT + OCTAVES * 4;
const SUM = CELLS;
const USED = CELLS + 1;
const NUMBERS = CELLS + 2;
const CALLER_NUMBERS = OPERATIONS.length * LABELS * OUTCOMES.length * NUMBERS;

export function latencyBytes(callers: number): number {
  return callers * CALLER_NUMBERS * Float64Array.BYTES_PER_ELEMENT;
}

export function cellOf(us: number): number {
  if (us < EXACT) return us;
  // A process that was stopped for hours: beyond 32 bits the next line counts anew.
  if (us >= 2 ** 31) return CELLS - 1;
  const octave = 31 - Math.clz32(us);
  return Math.min(CELLS - 1, EXACT + (octave - 3) * 4 + ((us >>> (octave - 2)) & 3));
}

/** The first duration that is above a cell. */
export function cellEndUs(cell: number): number {
  if (cell < EXACT) return cell + 1;
  const octave = 3 + ((cell - EXACT) >>> 2);
  return (5 + ((cell - EXACT) & 3)) * 2 ** (octave - 2);
}

/** The duration below which a share of the requests in these cells was; 0 without any. */
export function quantileUs(cells: ArrayLike<number>, share: number): number {
  let count = 0;
  for (let cell = 0; cell < cells.length; cell++) count += cells[cell]!;
  let rest = Math.ceil(count * share);
  if (count === 0) return 0;
  for (let cell = 0; cell < cells.length; cell++) {
    rest -= cells[cell]!;
    if (rest <= 0) return cellEndUs(cell);
  }
  return cellEndUs(CELLS - 1);
}

/** Requests that may be timed between two ticks; of the rest, one in so many is. */
const TIMED_PER_TICK = 16;
const SAMPLE = 64;

/** One caller's side. */
export class LatencyRecorder {
  private readonly numbers: Float64Array;
  private readonly base: number;
  private timed = TIMED_PER_TICK;
  /** Gets that were not timed, and what the last one that was took: they are counted with it. */
  untimed = 0;
  private lastAt = -1;
  private lastUs = 0;

  constructor(view: StoreView, caller: number) {
    this.numbers = new Float64Array(view.latencies);
    this.base = caller * CALLER_NUMBERS;
  }

  /**
   * Whether to look at the clock for a get that is answered in place: there are so many of them that
   * two looks at the clock would be felt. The others are counted as if they had taken as long.
   */
  wanted(): boolean {
    if (this.timed === 0) return this.untimed >= SAMPLE;
    this.timed--;
    return true;
  }

  /** A get that was answered in place and timed, as {@link wanted} asked. */
  direct(bucket: number, ms: number): void {
    this.settle();
    this.lastAt = this.at(OP_GET, bucket, OK);
    this.lastUs = Math.round(ms * 1000);
    this.add(this.lastAt, this.lastUs, 1);
  }

  record(operation: number, bucket: number, outcome: number, ms: number): void {
    this.add(this.at(operation, bucket, outcome), Math.round(ms * 1000), 1);
  }

  /** Every few milliseconds. */
  tick(): void {
    this.timed = TIMED_PER_TICK;
    this.settle();
  }

  private settle(): void {
    if (this.untimed > 0 && this.lastAt >= 0) this.add(this.lastAt, this.lastUs, this.untimed);
    this.untimed = 0;
  }

  private at(operation: number, bucket: number, outcome: number): number {
    const label = bucket < LABELS ? bucket : 0;
    return this.base + ((operation * LABELS + label) * OUTCOMES.length + outcome) * NUMBERS;
  }

  private add(at: number, us: number, times: number): void {
    const { numbers } = this;
    const took = Math.max(0, us);
    const cell = at + cellOf(took);
    numbers[cell] = numbers[cell]! + times;
    numbers[at + SUM] = numbers[at + SUM]! + took * times;
    numbers[at + USED] = 1;
  }
}

/** Everybody's added up; histograms without any request are left out. */
export function readLatencies(view: StoreView, nameOf: (bucket: number) => string | undefined): Latency[] {
  const numbers = new Float64Array(view.latencies);
  const found: Latency[] = [];
  for (let operation = 0; operation < OPERATIONS.length; operation++) {
    for (let label = 0; label < LABELS; label++) {
      const bucket = label === 0 ? OTHERS : nameOf(label);
      if (bucket === undefined) continue;
      for (let outcome = 0; outcome < OUTCOMES.length; outcome++) {
        const first = ((operation * LABELS + label) * OUTCOMES.length + outcome) * NUMBERS;
        const sum = sumOf(numbers, first, view.maxCallers);
        if (sum === undefined) continue;
        found.push({ operation: OPERATIONS[operation]!, bucket, outcome: OUTCOMES[outcome]!, ...sum });
      }
    }
  }
  return found;
}

/** The label of buckets that have none of their own. */
export const OTHERS = '(others)';

function sumOf(
  numbers: Float64Array,
  first: number,
  callers: number,
): Pick<Latency, 'count' | 'sumUs' | 'cells'> | undefined {
  let cells: number[] | undefined;
  let count = 0;
  let sumUs = 0;
  for (let caller = 0; caller < callers; caller++) {
    const at = caller * CALLER_NUMBERS + first;
    if (numbers[at + USED] === 0) continue;
    cells ??= Array.from({ length: CELLS }, () => 0);
    for (let cell = 0; cell < CELLS; cell++) {
      const value = numbers[at + cell]!;
      cells[cell]! += value;
      count += value;
    }
    sumUs += numbers[at + SUM]!;
  }
  return cells === undefined || count === 0 ? undefined : { count, sumUs, cells };
}
