import { RingletError, shown } from '../base/errors.js';
import type {
  BucketProperties,
  DeleteOptions,
  GetOptions,
  GetOrSetOptions,
  IncrementOptions,
  PutEntry,
  PutOptions,
  ScanOptions,
  TouchOptions,
} from './api.js';

/**
 * The options that there are. One that is not known is refused: a misspelt `durability` must not pass for
 * the default one.
 */
export interface KnownOptions {
  readonly names: ReadonlySet<string>;
  /** Before the name that it lacks: "put() has no option". */
  readonly lacks: string;
  /** What it has. */
  readonly list: string;
}

/** @param hidden those that only doors of this store give */
export function known<T>(
  lacks: string,
  names: Readonly<Record<keyof T, true>>,
  hidden: readonly string[] = [],
): KnownOptions {
  const told = Object.keys(names);
  return { names: new Set([...told, ...hidden]), lacks, list: told.join(', ') };
}

/** @throws RingletError BAD_REQUEST */
export function checkKnown(options: object, { names, lacks, list }: KnownOptions): void {
  // Inherited ones as well, since they are read.
  for (const name in options) {
    if (names.has(name)) continue;
    throw new RingletError('BAD_REQUEST', `${lacks} "${shown(name)}", expected one of ${list}`, {
      got: shown(name),
      expected: list,
    });
  }
}

const REQUEST = { timeoutMs: true, signal: true, timeline: true } as const;
const WRITE = { ...REQUEST, w: true, durability: true, strict: true } as const;
const VERSION = { context: true, ifMatch: true } as const;
const DOORS = ['together'];

export const GET_OPTIONS = known<GetOptions>('get() has no option', { ...REQUEST, r: true, strict: true });
const PUT = {
  ...WRITE,
  ...VERSION,
  ifAbsent: true,
  contentType: true,
  ttlMs: true,
  expiresAtMs: true,
} as const;
export const PUT_OPTIONS = known<PutOptions>('put() has no option', PUT, DOORS);
export const DELETE_OPTIONS = known<DeleteOptions>('delete() has no option', { ...WRITE, ...VERSION }, DOORS);
export const INCREMENT_OPTIONS = known<IncrementOptions>('increment() has no option', {
  timeoutMs: true,
  signal: true,
  w: true,
  durability: true,
  strict: true,
});
export const TOUCH_OPTIONS = known<TouchOptions>(
  'touch() has no option',
  { timeoutMs: true, signal: true, w: true, durability: true, ifMatch: true },
  DOORS,
);
export const GET_OR_SET_OPTIONS = known<GetOrSetOptions>('getOrSet() has no option', {
  ttlMs: true,
  staleWhileRevalidateMs: true,
  negativeTtlMs: true,
  timeoutMs: true,
  signal: true,
  contentType: true,
});
export const SCAN_OPTIONS = known<ScanOptions>('scan() has no option', {
  prefix: true,
  cursor: true,
  limit: true,
  timeoutMs: true,
  signal: true,
});
export const PUT_ENTRY = known<PutEntry>('an entry of putMany() has no field', {
  key: true,
  value: true,
  context: true,
  contentType: true,
  ttlMs: true,
});
export const PROPERTIES = known<BucketProperties>('a bucket has no property', {
  n: true,
  r: true,
  w: true,
  durability: true,
  conflict: true,
  strict: true,
  ttlMs: true,
  cache: true,
  maxBytes: true,
});
