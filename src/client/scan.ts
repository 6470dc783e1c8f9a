import { RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { OUT_CORRUPT } from '../messaging/frames.js';
import { compareBytes } from '../shard/key-list.js';
import { keyAt, keyLengthAt, KIND_PLAIN, kindAt } from '../storage/record.js';
import { decodeClock, type StoredValue } from '../storage/record-codec.js';
import type { Clock } from '../versions/dvvs.js';
import { checkRequest, checkText } from './arguments.js';
import type { Key, ScanItem, ScanOptions } from './api.js';
import type { Connection } from './connection.js';
import { mergeContributions, resultOf } from './merge.js';
import { errorOfOutcome } from './outcomes.js';
import { SCAN_OPTIONS } from './known-options.js';
import { policyOf, timeoutOf } from './policy.js';
import type { Policy, ScanPage } from './request.js';
import { beforePrefix, decodeCursor, encodeCursor, type Position } from './scan-cursor.js';
import { askPage } from './scan-page.js';
import { bufferOf } from './value-pool.js';
import type { BucketDefinition } from './view.js';

const encoder = new TextEncoder();
const NO_BYTES = new Uint8Array(0);
/** How often it is seen whether those serve again that are needed. */
const LOOK_MS = 50;

/** What a scan was asked for, checked. */
export interface ScanPlan {
  readonly prefix: Uint8Array;
  readonly start: Position | undefined;
  readonly limit: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws RingletError BAD_REQUEST */
export function scanPlan({ view }: Connection, bucket: string, options: ScanOptions): ScanPlan {
  checkRequest(options, SCAN_OPTIONS);
  const { prefix, cursor, signal } = options;
  return {
    prefix: prefix === undefined ? NO_BYTES : bytesOf(prefix),
    start: cursor === undefined ? undefined : decodeCursor(cursor, bucket, view.ring.partitions),
    limit: limitOf(options.limit),
    timeoutMs: timeoutOf(options.timeoutMs),
    signal,
  };
}

/**
 * Walks the partitions in order; within one, the pages of R owners are merged by key. A key that
 * exists throughout is met exactly once.
 */
export async function* scanBucket(
  connection: Connection,
  bucket: BucketDefinition,
  { prefix, start, limit: most, timeoutMs, signal }: ScanPlan,
): AsyncGenerator<ScanItem, void> {
  // No key begins so.
  if (prefix.length > LIMITS.keyBytes) return;
  const { ring } = connection.view;
  let left = most;
  const policy = policyOf(bucket, connection.view, {});
  for (let partition = start?.partition ?? 0; partition < ring.partitions && left > 0; partition++) {
    let after = partition === start?.partition ? start.after : beforePrefix(prefix);
    const settled = new Set<number>();
    for (let more = true; more && left > 0;) {
      assertWanted(connection, signal);
      const limit = Math.min(LIMITS.scanPage, prefix.length > 0 ? LIMITS.scanPage : left);
      const page = await readPage(connection, policy, {
        partition,
        after,
        limit,
        settled,
        timeoutMs,
        signal,
      });
      more = page.more;
      for (const { key, clock, kind } of page.records) {
        after = key;
        if (prefix.length > 0 && !startsWith(key, prefix)) {
          if (compareBytes(key, prefix) < 0) continue;
          more = false;
          break;
        }
        const { siblings, value, context } = resultOf(clock, kind, false, connection.expiry);
        if (siblings.length === 0) continue;
        const cursor = encodeCursor(bucket.name, { partition, after: key });
        yield {
          key: bufferOf(key),
          ...(value === undefined ? {} : { value }),
          siblings,
          context: context!,
          cursor,
        };
        if (--left === 0) return;
        // The rest of the page is at hand, and may be a thousand items.
        assertWanted(connection, signal);
      }
      if (page.records.length === 0) more = false;
    }
  }
}

/** @throws RingletError ABORTED, CLOSED */
function assertWanted(connection: Connection, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw scanAborted();
  connection.assertOpen();
}

interface ScannedKey {
  readonly key: Uint8Array;
  readonly clock: Clock<StoredValue>;
  readonly kind: number;
}

interface KeyPage {
  readonly records: readonly ScannedKey[];
  readonly more: boolean;
}

interface WantedPage extends Position {
  readonly limit: number;
  /** Of whom an earlier page of this partition has already waited for the engine. */
  readonly settled: Set<number>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Owners that are asked for no page: some for good, and those whose engine has failed until others are too few. */
interface Unfit {
  readonly damaged: Set<number>;
  readonly failed: Map<number, RingletError>;
}

/** Pages of R owners; of others if one of them goes, has failed or has damaged records there, or the ring changes. */
async function readPage(connection: Connection, policy: Policy, wanted: WantedPage): Promise<KeyPage> {
  const untilMs = connection.clock.nowMs() + wanted.timeoutMs;
  const unfit: Unfit = { damaged: new Set(), failed: new Map() };
  for (;;) {
    const timeoutMs = Math.max(1, untilMs - connection.clock.nowMs());
    const page = await readOwners(connection, policy, { ...wanted, timeoutMs }, unfit);
    if (page !== undefined) return page;
    connection.assertOpen();
    const [failure] = unfit.failed.values();
    if (failure === undefined || unfit.damaged.size + unfit.failed.size <= policy.n - policy.r) continue;
    // Their next threads open their engines anew.
    if (connection.clock.nowMs() + LOOK_MS >= untilMs) throw failure;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    assertWanted(connection, wanted.signal);
    unfit.failed.clear();
  }
}

/** Cut at the first key up to which all of them are complete, and merged; undefined: they are to be chosen anew. */
async function readOwners(
  connection: Connection,
  policy: Policy,
  wanted: WantedPage,
  unfit: Unfit,
): Promise<KeyPage | undefined> {
  const { damaged, failed } = unfit;
  const { ring } = connection.view;
  const { partition, settled } = wanted;
  const list = ring.preference.subarray(
    partition * ring.preferenceLength,
    partition * ring.preferenceLength + policy.n,
  );
  const whole = [...list].filter((vnode) => !damaged.has(vnode) && !failed.has(vnode));
  const serving = whole.filter(
    (vnode) => connection.direct.isServing(vnode) && !connection.machine.suspects(vnode),
  );
  // With too few of them the page waits, as a get does, until others serve or its deadline is over.
  const owners = [...serving, ...whole.filter((vnode) => !serving.includes(vnode))].slice(0, policy.r);
  const pages = await Promise.all(
    owners.map((vnode) => requestPage(connection, vnode, policy.bucket, wanted, unfit)),
  );
  const read = pages.filter((page) => page !== undefined);
  if (damaged.size > policy.n - policy.r) throw errorOfOutcome(OUT_CORRUPT, 0, 0, false);
  if (read.length < pages.length) return undefined;
  for (const vnode of owners) settled.add(vnode);
  return read.length === 1 ? read[0] : mergePages(read, owners, policy.rule);
}

function mergePages(pages: readonly KeyPage[], owners: readonly number[], rule: number): KeyPage {
  const ends = pages.filter((page) => page.more).map((page) => page.records.at(-1)?.key ?? NO_BYTES);
  const end = ends.length === 0 ? undefined : ends.reduce((a, b) => (compareBytes(a, b) <= 0 ? a : b));
  const byKey = new Map<
    string,
    { key: Uint8Array; copies: { vnode: number; clock: Clock<StoredValue>; kind: number }[] }
  >();
  pages.forEach((page, i) => {
    for (const { key, clock, kind } of page.records) {
      if (end !== undefined && compareBytes(key, end) > 0) break;
      const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
      const found = byKey.get(name) ?? { key, copies: [] };
      found.copies.push({ vnode: owners[i]!, clock, kind });
      byKey.set(name, found);
    }
  });
  const records = [...byKey.values()]
    .sort((a, b) => compareBytes(a.key, b.key))
    .map(({ key, copies }) => {
      const merged = mergeContributions(copies, rule);
      return { key, clock: merged.clock ?? [], kind: merged.clock === undefined ? KIND_PLAIN : merged.kind };
    });
  return { records, more: end !== undefined };
}

async function requestPage(
  connection: Connection,
  vnode: number,
  bucket: number,
  { signal, settled, ...wanted }: WantedPage,
  { damaged, failed }: Unfit,
): Promise<KeyPage | undefined> {
  const asked = { vnode, bucket, ...wanted, settled: settled.has(vnode) };
  try {
    const page = await askPage(connection, asked, signal, scanAborted);
    return page === 'elsewhere' ? undefined : decoded(page);
  } catch (error) {
    if (!(error instanceof RingletError)) throw error;
    if (error.code === 'DATA_CORRUPT') damaged.add(vnode);
    else if (error.code === 'READ_ONLY') failed.set(vnode, error);
    else throw error;
    return undefined;
  }
}

function scanAborted(): RingletError {
  return new RingletError('ABORTED', 'the scan was aborted by its signal');
}

function decoded({ records, more }: ScanPage): KeyPage {
  const keys = records.map((record) => {
    const bytes = new Uint8Array(record.buffer);
    return { key: keyBytesOf(record), clock: decodeClock(record, bytes, 0), kind: kindAt(record, 0) };
  });
  return { records: keys, more };
}

/** The key of a record that begins its memory. */
function keyBytesOf(record: Int32Array): Uint8Array {
  return new Uint8Array(record.buffer, record.byteOffset + keyAt(record, 0) * 4, keyLengthAt(record, 0));
}

function limitOf(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isInteger(limit) && limit >= 1) return limit;
  throw new RingletError('BAD_REQUEST', 'limit is a whole number from 1 on', { limit: shown(limit) });
}

function bytesOf(prefix: Key): Uint8Array {
  if (typeof prefix === 'string') {
    checkText('prefix', prefix);
    return encoder.encode(prefix);
  }
  // A copy: the scan lasts, and the bytes are the caller's.
  if (prefix instanceof Uint8Array) return Uint8Array.from(prefix);
  throw new RingletError('BAD_REQUEST', 'a prefix is a string or a Uint8Array', { type: typeof prefix });
}

function startsWith(key: Uint8Array, prefix: Uint8Array): boolean {
  return key.length >= prefix.length && compareBytes(key.subarray(0, prefix.length), prefix) === 0;
}
