import { quoted, RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { RULE_LWW, RULE_SIBLINGS } from '../messaging/frames.js';
import { BUFFERED, COMMITTED, DURABLE, ONE_DURABLE } from '../storage/pipeline.js';
import { checkFlag } from './arguments.js';
import { checkKnown, PROPERTIES } from './known-options.js';
import type { BucketProperties, Durability, PutOptions, Quorum } from './api.js';
import type { Policy } from './request.js';
import type { BucketDefinition, StoreView } from './view.js';

export const LEVELS: Readonly<Record<Durability, number>> = {
  buffered: BUFFERED,
  'one-durable': ONE_DURABLE,
  committed: COMMITTED,
  durable: DURABLE,
};

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;

export function checkBucketName(name: unknown): void {
  if (typeof name === 'string' && NAME.test(name)) return;
  throw new RingletError('BAD_REQUEST', 'a bucket name has 1 to 64 of A-Z a-z 0-9 _ . -', {
    bucket: shown(name),
    limit: LIMITS.bucketNameBytes,
  });
}

function range(what: string, value: unknown, least: number, most: number): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return;
  throw new RingletError(
    'BAD_REQUEST',
    `${what} must be a whole number from ${least} to ${most}, not ${quoted(value)}`,
    {
      what,
      got: typeof value === 'number' ? value : shown(value),
      least,
      most,
    },
  );
}

/** @throws RingletError BAD_REQUEST */
export function checkProperties(
  properties: BucketProperties,
  nodes: number,
  engine: 'lmdb' | 'memory',
  resolvers: readonly string[] | undefined,
): void {
  checkKnown(properties, PROPERTIES);
  range('n', properties.n, 1, Math.min(nodes, LIMITS.replicas));
  range('r', properties.r, 1, properties.n);
  range('w', properties.w, 1, properties.n);
  checkFlag('strict', properties.strict);
  if (properties.ttlMs !== undefined) checkTtl(properties.ttlMs, 0);
  checkDurability(properties.durability, engine);
  checkCache(properties);
  const { conflict } = properties;
  if (conflict === 'siblings' || conflict === 'lww') return;
  if (typeof conflict === 'string' && (resolvers === undefined || resolvers.includes(conflict))) return;
  throw new RingletError(
    'BAD_REQUEST',
    `no resolver is named ${shown(conflict)}; give it to open({ resolvers })`,
    {
      conflict: shown(conflict),
    },
  );
}

/** @throws RingletError BAD_REQUEST */
export function checkTtl(ttlMs: number, least: 0 | 1, what = 'ttlMs'): void {
  range(what, ttlMs, least, LIMITS.maxTtlMs);
}

/** @throws RingletError BAD_REQUEST */
export function checkExpiry(expiresAtMs: number): void {
  range('expiresAtMs', expiresAtMs, 1, LIMITS.maxExpiresAtMs);
}

/** @throws RingletError BAD_REQUEST */
export function checkLifetime({ ttlMs, expiresAtMs }: Pick<PutOptions, 'ttlMs' | 'expiresAtMs'>): void {
  if (ttlMs !== undefined) checkTtl(ttlMs, 0);
  if (expiresAtMs === undefined) return;
  checkExpiry(expiresAtMs);
  if (ttlMs !== undefined) throw new RingletError('BAD_REQUEST', 'ttlMs and expiresAtMs exclude each other');
}

function checkCache({ cache, maxBytes, n, conflict, strict }: BucketProperties): void {
  if (maxBytes !== undefined) range('maxBytes', maxBytes, LIMITS.leastCacheBytes, LIMITS.maxCacheBytes);
  checkFlag('cache', cache);
  if (cache !== true) {
    if (maxBytes === undefined) return;
    throw new RingletError('BAD_REQUEST', 'maxBytes is for buckets with cache: true', { maxBytes });
  }
  if (n === 1 && conflict === 'lww' && strict) return;
  throw new RingletError(
    'BAD_REQUEST',
    'a cache evicts by itself, so it has n = 1, conflict = lww and strict = true: leave them out',
    { n, conflict, strict },
  );
}

/** What follows from the properties that are given: r and w a majority of another n, and all that a cache is. */
export function completed(
  wanted: Partial<BucketProperties>,
  defaults: BucketProperties,
): Partial<BucketProperties> {
  const base = wanted.cache === true ? { n: 1, conflict: 'lww', strict: true, ...wanted } : wanted;
  if (base.n === undefined || base.n === defaults.n) return base;
  const majority = Math.floor(base.n / 2) + 1;
  return { r: majority, w: majority, ...base };
}

export function checkDurability(durability: unknown, engine: 'lmdb' | 'memory'): void {
  if (typeof durability !== 'string' || !Object.hasOwn(LEVELS, durability)) {
    throw new RingletError('BAD_REQUEST', `durability is one of ${Object.keys(LEVELS).join(', ')}`, {
      durability: shown(durability),
    });
  }
  if (engine === 'memory' && durability !== 'buffered') {
    throw new RingletError(
      'BAD_REQUEST',
      `the memory engine keeps nothing on disk: ${durability} needs the lmdb engine`,
      {
        durability,
        engine,
      },
    );
  }
}

function quorumOf(what: string, quorum: Quorum | undefined, fallback: number, n: number): number {
  switch (quorum) {
    case undefined:
    case 'default':
      return fallback;
    case 'one':
      return 1;
    case 'quorum':
      return Math.floor(n / 2) + 1;
    case 'all':
      return n;
    default:
      range(what, quorum, 1, n);
      return quorum;
  }
}

/** The bucket's properties with what a request overrides. @throws RingletError BAD_REQUEST */
export function policyOf(
  bucket: BucketDefinition,
  view: StoreView,
  asked: {
    readonly r?: Quorum;
    readonly w?: Quorum;
    readonly durability?: Durability;
    readonly strict?: boolean;
  },
): Policy {
  const { n, r, w, durability, conflict, strict, ttlMs } = bucket.properties;
  checkFlag('strict', asked.strict);
  if (asked.durability !== undefined) checkDurability(asked.durability, view.engine);
  return {
    bucket: bucket.number,
    n,
    r: quorumOf('r', asked.r, r, n),
    w: quorumOf('w', asked.w, w, n),
    level: LEVELS[asked.durability ?? durability],
    rule: conflict === 'lww' ? RULE_LWW : RULE_SIBLINGS,
    strict: asked.strict ?? strict,
    sloppyPuts: !strict,
    ttlMs: ttlMs ?? 0,
    cache: bucket.properties.cache === true,
  };
}

export function timeoutOf(timeoutMs: number | undefined): number {
  if (timeoutMs === undefined) return LIMITS.timeoutMs;
  if (typeof timeoutMs !== 'number' || !(timeoutMs >= 1) || timeoutMs > LIMITS.maxTimeoutMs) {
    throw new RingletError(
      'BAD_REQUEST',
      `timeoutMs must be from 1 to ${LIMITS.maxTimeoutMs}, not ${shown(timeoutMs)}`,
      {
        got: typeof timeoutMs === 'number' ? timeoutMs : shown(timeoutMs),
        least: 1,
        most: LIMITS.maxTimeoutMs,
      },
    );
  }
  return timeoutMs;
}
