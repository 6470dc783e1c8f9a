import type { NamedKey } from '../key-name.js';

/** One version of one key that is to be reaped: its tombstone, named by the digest of key and clock. */
export interface Condemned extends NamedKey {
  readonly low: number;
  readonly high: number;
}
