import type { Durability } from '../../src/base/durability.js';

export { DURABILITIES } from '../../src/base/durability.js';

/** The work that every experiment shares unless it asks about something else. */
export const WORKLOAD = { keys: 100_000, valueBytes: 100 } as const;
/** Keys where no figure is required: filling a store takes as long as measuring it. */
export const FEWER_KEYS = 10_000;

export const DEFAULT_QUORUM = { system: 'ringlet', n: 3, r: 2, w: 2 } as const;

/** Only a store on disk has levels above buffered. */
export function supportsDurability(engine: 'lmdb' | 'memory', durability: Durability): boolean {
  return engine === 'lmdb' || durability === 'buffered';
}
export const NEEDS_DISK = 'the memory engine keeps nothing on disk; use --engine lmdb';
