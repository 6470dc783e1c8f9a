import type { Place } from '../../storage/record-codec.js';

/** One version of one key that is to be reaped: its tombstone, named by the digest of key and clock. */
export interface Condemned extends Place {
  readonly key: Uint8Array;
  readonly low: number;
  readonly high: number;
}
