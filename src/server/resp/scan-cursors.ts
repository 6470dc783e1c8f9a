import { LIMITS } from '../../base/limits.js';

/** Tokens of 40 random bits, times the partitions: cursors stay safe integers. */
const TOKENS = 2 ** 40;

/**
 * Clients of Redis pass a number from one SCAN to the next; a scan of the store goes on behind a
 * key. The number says the partition, so that any server can go on there, and names a place within
 * it that this one remembers. Whoever does not know the place begins the partition anew: keys may be
 * returned again, as Redis does, but none is left out. A place in another bucket is not known either.
 */
export class ScanCursors {
  private readonly places = new Map<number, { readonly bucket: string; readonly cursor: string }>();

  /** @param cursor of the last item that was returned */
  remember(bucket: string, partition: number, cursor: string): string {
    const token = 1 + Math.floor(Math.random() * (TOKENS - 1));
    if (this.places.size >= LIMITS.respScanCursors) {
      for (const oldest of this.places.keys()) {
        this.places.delete(oldest);
        break;
      }
    }
    const number = token * LIMITS.partitions + partition;
    this.places.set(number, { bucket, cursor });
    return String(number);
  }

  /** Where to go on: behind a cursor of the store, or with a partition's first key. */
  placeOf(
    bucket: string,
    number: number,
  ): { readonly partition: number; readonly cursor: string | undefined } {
    const known = this.places.get(number);
    const cursor = known?.bucket === bucket ? known.cursor : undefined;
    return { partition: number % LIMITS.partitions, cursor };
  }
}
