import { isLive, isSubtotal, type StoredValue } from '../storage/record-codec.js';
import { KIND_COUNTER, KIND_PLAIN } from '../storage/record.js';
import { mergeClocks } from '../shard/merge-clocks.js';
import { total } from '../versions/counter.js';
import type { ExpiryClock } from '../messaging/expiry-clock.js';
import { type Clock, equal, join, values } from '../versions/dvvs.js';
import { wallOfHybrid } from '../base/time.js';
import type { GetResult, Sibling } from './api.js';
import { VectorContext } from './context.js';
import { bufferOf } from './value-pool.js';

/** One owner's copy of a key, in ordinary memory; no clock if the owner has nothing. */
export interface Contribution {
  readonly vnode: number;
  readonly clock: Clock<StoredValue> | undefined;
  readonly kind: number;
  /** It is being rebuilt: it may lack anything, and does not count towards R. */
  readonly partial?: boolean;
}

export interface Merged {
  readonly clock: Clock<StoredValue> | undefined;
  readonly kind: number;
  /** Owners whose copy lacks something of the merged one. */
  readonly stale: readonly number[];
}

/** Reconciles the copies of several owners (paper §4.4, §4.5). */
export function mergeContributions(contributions: readonly Contribution[], rule: number): Merged {
  let clock: Clock<StoredValue> | undefined;
  let kind = KIND_PLAIN;
  for (const { clock: theirs, kind: theirKind } of contributions) {
    if (theirs === undefined) continue;
    if (clock === undefined) {
      clock = theirs;
      kind = theirKind;
    } else {
      ({ clock, kind } = mergeClocks(clock, theirs, kind, theirKind, rule));
    }
  }
  if (clock === undefined) return { clock, kind, stale: [] };
  const merged = clock;
  // Whoever lacks a tombstone may have reaped it, a moment before the others do.
  const live = values(merged).some(isLive);
  const stale = contributions
    .filter(({ clock: theirs }) => (theirs === undefined ? live : !equal(theirs, merged)))
    .map(({ vnode }) => vnode);
  return { clock, kind, stale };
}

/** What a get returns for a reconciled clock. */
export function resultOf(
  clock: Clock<StoredValue> | undefined,
  kind: number,
  degraded: boolean,
  expiry: Pick<ExpiryClock, 'isOver'>,
): GetResult {
  if (clock === undefined) return { found: false, siblings: [], degraded };
  const context = new VectorContext(join(clock));
  const live = values(clock).filter(
    ({ deleted, expiresAtMs }) => !deleted && (expiresAtMs === undefined || !expiry.isOver(expiresAtMs)),
  );
  const siblings = kind === KIND_COUNTER ? counterSibling(live.filter(isSubtotal)) : live.map(siblingOf);
  if (siblings.length === 1) return { found: true, value: siblings[0]!.value, siblings, context, degraded };
  if (siblings.length > 0) return { found: true, siblings, context, degraded };
  const absentUntilMs = absenceOf(clock, expiry);
  const absence = absentUntilMs === 0 ? {} : { absentUntilMs };
  return { found: false, siblings, context, degraded, ...absence };
}

/** Until when it is known that there is nothing: the time of a tombstone that has one (get-or-set.ts); 0: of none. */
function absenceOf(clock: Clock<StoredValue>, expiry: Pick<ExpiryClock, 'isOver'>): number {
  return values(clock).reduce((last, { deleted, expiresAtMs = 0 }) => {
    return deleted && expiresAtMs > last && !expiry.isOver(expiresAtMs) ? expiresAtMs : last;
  }, 0);
}

function siblingOf({ bytes, contentType, time, expiresAtMs }: StoredValue): Sibling {
  const modifiedAtMs = wallOfHybrid(time);
  const value = bufferOf(bytes);
  return expiresAtMs === undefined
    ? { value, contentType, modifiedAtMs }
    : { value, contentType, modifiedAtMs, expiresAtMs };
}

/** A counter reads as the decimal text of its sum. */
function counterSibling(live: readonly StoredValue[]): Sibling[] {
  if (live.length === 0) return [];
  const clock = [{ actor: 0, n: live.length, values: live }];
  const sum = total(clock, (value) => Number(Buffer.from(value.bytes).toString('latin1')));
  const newest = live.reduce((a, b) => (a.time > b.time ? a : b));
  return [{ ...siblingOf(newest), value: Buffer.from(sum.ok ? String(sum.total) : 'overflow') }];
}
