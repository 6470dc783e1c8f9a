import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from 'hdr-histogram-js';

const HIGHEST_NS = 600e9;
/** The layout of HDR with three significant digits: 2,048 sub-buckets, halved from the second bucket on. */
const SUB_BUCKET_BITS = 11;
const HALF = 1 << (SUB_BUCKET_BITS - 1);
/** Eight points per decade. */
const CURVE_STEP = 10 ** 0.125;
const FAST_LIMIT_NS = 0x7fff_ffff;
const FAST_BUCKETS = (31 - SUB_BUCKET_BITS + 2) * HALF;

/** Microseconds; null where nothing was recorded. */
export interface LatencySummary {
  readonly meanUs: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly p999Us: number | null;
  readonly maxUs: number | null;
  readonly samples: number;
}

/**
 * Latencies in nanoseconds under an HDR histogram with three significant digits.
 *
 * HdrHistogramJS takes about 130 ns per value, too much beside an operation of 1 µs, so values
 * below 2 s are counted first in an array of the same bucket layout (3 ns) and added to the
 * histogram when it is read: no precision is lost, because both round to the same buckets.
 */
export class LatencyHistogram {
  readonly #hdr: Histogram;
  readonly #fast = new Uint32Array(FAST_BUCKETS);
  #isFlushed = true;

  constructor(hdr: Histogram = emptyHistogram()) {
    this.#hdr = hdr;
  }

  recordMs(ms: number): void {
    const ns = ms * 1e6;
    if (ns < FAST_LIMIT_NS) {
      const value = ns < 0 ? 0 : ns | 0;
      const bucket = Math.max(0, 32 - SUB_BUCKET_BITS - Math.clz32(value));
      this.#fast[bucket * HALF + (value >>> bucket)]! += 1;
      this.#isFlushed = false;
    } else {
      this.#hdr.recordValue(Math.min(HIGHEST_NS, Math.round(ns)));
    }
  }

  /** Adds another histogram's counts: the only correct way to combine percentiles. */
  add(other: LatencyHistogram): void {
    this.#hdr.add(other.#flushed());
  }

  summary(): LatencySummary {
    const hdr = this.#flushed();
    if (hdr.totalCount === 0) {
      return { meanUs: null, p50Us: null, p99Us: null, p999Us: null, maxUs: null, samples: 0 };
    }
    return {
      meanUs: hdr.mean / 1_000,
      p50Us: hdr.getValueAtPercentile(50) / 1_000,
      p99Us: hdr.getValueAtPercentile(99) / 1_000,
      p999Us: hdr.getValueAtPercentile(99.9) / 1_000,
      maxUs: hdr.getValueAtPercentile(100) / 1_000,
      samples: hdr.totalCount,
    };
  }

  /** Points for an axis of percentiles: 1/(1-p) and microseconds, down to the last sample. */
  curve(): readonly { readonly oneIn: number; readonly us: number }[] {
    const hdr = this.#flushed();
    const points: { oneIn: number; us: number }[] = [];
    for (let oneIn = 1; oneIn <= hdr.totalCount; oneIn *= CURVE_STEP) {
      points.push({ oneIn, us: this.valueAtUs(oneIn) });
    }
    return points;
  }

  /** The value that all but one in so many stay below, µs. */
  valueAtUs(oneIn: number): number {
    return this.#flushed().getValueAtPercentile(100 - 100 / oneIn) / 1_000;
  }

  /** The text form that HdrHistogram's plotters read, in microseconds. */
  hgrm(): string {
    return this.#flushed().outputPercentileDistribution(5, 1_000);
  }

  /** HDR's compressed base64 form, in nanoseconds; any HdrHistogram tool reads it. */
  encode(): string {
    return encodeIntoCompressedBase64(this.#flushed());
  }

  static decode(encoded: string): LatencyHistogram {
    const merged = new LatencyHistogram();
    merged.#hdr.add(decodeFromCompressedBase64(encoded, 64));
    return merged;
  }

  static merge(encoded: readonly string[]): LatencyHistogram {
    const merged = new LatencyHistogram();
    for (const one of encoded) merged.add(LatencyHistogram.decode(one));
    return merged;
  }

  #flushed(): Histogram {
    if (this.#isFlushed) return this.#hdr;
    for (let index = 0; index < FAST_BUCKETS; index++) {
      const count = this.#fast[index]!;
      if (count === 0) continue;
      const bucket = Math.max(0, Math.floor(index / HALF) - 1);
      this.#hdr.recordValueWithCount((index - bucket * HALF) * 2 ** bucket, count);
      this.#fast[index] = 0;
    }
    this.#isFlushed = true;
    return this.#hdr;
  }
}

function emptyHistogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_NS,
    numberOfSignificantValueDigits: 3,
    bitBucketSize: 64,
  });
}
