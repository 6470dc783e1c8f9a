/** Buckets of a quarter of an octave each; the first ends at 10 µs, the last is open: 40 s and more. */
const BUCKETS = 90;
const FIRST_MS = 0.01;
const PER_OCTAVE = 4;

/** Latencies of a short time, in buckets that are good to a fifth: to be compared with a target, not to be reported. */
export class LatencyWindow {
  private readonly counts = new Uint32Array(BUCKETS);
  private samples = 0;

  get empty(): boolean {
    return this.samples === 0;
  }

  add(ms: number): void {
    const octaves = ms <= FIRST_MS ? 0 : Math.log2(ms / FIRST_MS);
    const bucket = Math.min(BUCKETS - 1, Math.ceil(octaves * PER_OCTAVE));
    this.counts[bucket]! += 1;
    this.samples++;
  }

  /** The upper bound of the bucket that the quantile falls into, in milliseconds; 0 without samples. */
  quantile(q: number): number {
    if (this.empty) return 0;
    const rank = Math.ceil(q * this.samples);
    let below = 0;
    let bucket = 0;
    while ((below += this.counts[bucket]!) < rank) bucket++;
    return FIRST_MS * 2 ** (bucket / PER_OCTAVE);
  }

  clear(): void {
    this.counts.fill(0);
    this.samples = 0;
  }
}
