import { LIMITS } from '../base/limits.js';
import {
  IF_ABSENT,
  IF_MATCH,
  IF_PRESENT,
  OP_DELETE,
  OP_INCREMENT,
  OP_TOUCH,
  OUT_CONDITION,
  OUT_CONTEXT,
  OUT_COUNTER,
  OUT_NOT_A_COUNTER,
  OUT_SIBLINGS,
  OUT_TOO_LARGE,
} from '../messaging/frames.js';
import { decodeClock, decodeVector, isOver, isSubtotal, type StoredValue } from '../storage/record-codec.js';
import { KIND_COUNTER, KIND_PLAIN } from '../storage/record.js';
import { increment } from '../versions/counter.js';
import { type Clock, discard, equal, event, join, update, values } from '../versions/dvvs.js';
import { refuse, type Refusal } from './outcome.js';
import { contentTypeOf, type PutRequest } from './put-request.js';
import { expiryOf, textValue, tombstoneOf } from './stored-values.js';

/**
 * What a write makes of the versions of its key, in general; superseding.ts has the quick way of the
 * common put. Nothing here reads or stores: replica.ts does, before and after.
 */

/** The versions of a key; `kind` is undefined where there is no record. */
export interface Versions {
  readonly clock: Clock<StoredValue>;
  readonly kind: number | undefined;
}

export interface NextVersions {
  readonly clock: Clock<StoredValue>;
  readonly kind: number;
  /** The sum after an increment, else 0. */
  readonly total: number;
}

/** Who makes the next dot, above what (guest-actor.ts), and when. */
export interface Maker {
  readonly actor: number;
  readonly floor: number;
  /** Hybrid time of a new value. */
  readonly time: () => number;
  /** The time by which values expire. */
  readonly expiryMs: () => number;
}

/** Of a record with several values: kept for its clock, and counted besides bytes and type of each. */
const CLOCK_BYTES = 32 << 10;
const VALUE_BYTES = 32;

/** What the operation of a request makes of them, or why it makes nothing. */
export function nextVersions(request: PutRequest, before: Versions, maker: Maker): NextVersions | Refusal {
  switch (request.operation) {
    case OP_TOUCH:
      return afterTouch(request, before, maker);
    case OP_INCREMENT:
      return afterIncrement(request, before, maker);
    default:
      return afterPut(request, before, maker);
  }
}

function afterPut(
  request: PutRequest,
  { clock, kind }: Versions,
  { actor, floor, time }: Maker,
): NextVersions {
  const deleted = request.operation === OP_DELETE;
  const value: StoredValue = {
    bytes: request.value,
    contentType: contentTypeOf(request),
    time: time(),
    deleted,
    expiresAtMs: expiryOf(request),
  };
  return {
    clock: update(request.context, value, clock, actor, floor),
    // A tombstone beside subtotals leaves a counter one.
    kind: deleted ? (kind ?? KIND_PLAIN) : KIND_PLAIN,
    total: 0,
  };
}

function afterIncrement(
  { by }: PutRequest,
  { clock, kind }: Versions,
  { actor, floor, time, expiryMs }: Maker,
): NextVersions | Refusal {
  const nowMs = expiryMs();
  // What is deleted or over is in nobody's way: the counter begins anew.
  if (kind === KIND_PLAIN && liveValues(clock, nowMs).length > 0) return refuse(OUT_NOT_A_COUNTER);
  const outcome = increment(
    clock,
    actor,
    by,
    (subtotal) => textValue(String(subtotal), time()),
    (value) => (isSubtotal(value) ? Number(Buffer.from(value.bytes).toString('latin1')) : 0),
    floor,
  );
  if (!outcome.ok) return refuse(OUT_NOT_A_COUNTER, outcome.reason === 'overflow' ? 1 : 0, 0);
  return { clock: outcome.clock, kind: KIND_COUNTER, total: outcome.total };
}

/** All live values again, with another time to expire: new versions, under one dot each, of the same age. */
function afterTouch(
  request: PutRequest,
  { clock, kind }: Versions,
  { actor, floor, expiryMs }: Maker,
): NextVersions | Refusal {
  if (kind === KIND_COUNTER) return refuse(OUT_COUNTER);
  const live = liveValues(clock, expiryMs());
  if (live.length === 0) return refuse(OUT_CONDITION, 0, 1);
  let next: Clock<StoredValue> = discard(clock, join(clock));
  for (const { bytes, contentType, time } of live.toReversed()) {
    const value = { bytes, contentType, time, deleted: false, expiresAtMs: expiryOf(request) };
    next = event(next, actor, value, floor);
  }
  return { clock: next, kind: KIND_PLAIN, total: 0 };
}

/**
 * Tombstones instead of values whose time is over. The clock stays the same, so that each owner can do
 * it by itself and in its own time: to replicas and trees nothing has changed.
 */
export function afterExpiry(clock: Clock<StoredValue>, nowMs: number): Clock<StoredValue> {
  return clock.map((entry) => ({
    ...entry,
    values: entry.values.map((value) => (isOver(value, nowMs) ? tombstoneOf(value) : value)),
  }));
}

/** Why a write with a condition is not to be made; `words` is undefined where the key has no record. */
export function unmetCondition(
  request: PutRequest,
  words: Int32Array | undefined,
  bytes: Uint8Array | undefined,
  at: number,
  expiryMs: () => number,
): Refusal | undefined {
  if (request.condition === IF_ABSENT || request.condition === IF_PRESENT) {
    const clock = words === undefined ? [] : decodeClock(words, bytes!, at);
    const live = liveValues(clock, expiryMs()).length;
    if (live > 0 !== (request.condition === IF_PRESENT)) return refuse(OUT_CONDITION, live, 0);
  }
  if (request.condition === IF_MATCH) {
    const known = words === undefined ? [] : decodeVector(words, at);
    if (!equal(join(known), request.context))
      return refuse(OUT_CONDITION, known.length, request.context.length);
  }
  return undefined;
}

/**
 * More entries than a context can carry back would make the key unreadable. A deletion may have more than
 * others: they go only with a tombstone that is reaped (versions.md, trap 4).
 */
export function tooManyEntries(entries: number, operation = OP_DELETE): Refusal | undefined {
  const most = operation === OP_DELETE ? LIMITS.contextEntries : LIMITS.clockEntries;
  return entries > most ? refuse(OUT_CONTEXT, entries, most) : undefined;
}

/** Siblings are capped at the coordinator only: a merge may exceed the cap (versions.md, trap 4). */
export function tooManySiblings(
  siblings: readonly StoredValue[],
  maxRecordBytes: number,
): Refusal | undefined {
  if (siblings.length > LIMITS.siblings) return refuse(OUT_SIBLINGS, siblings.length, LIMITS.siblings);
  if (siblings.length <= 1) return undefined;
  const bytes = siblings.reduce(
    (sum, value) => sum + value.bytes.length + value.contentType.length + VALUE_BYTES,
    0,
  );
  const most = maxRecordBytes - CLOCK_BYTES;
  return bytes > most ? refuse(OUT_TOO_LARGE, bytes, most) : undefined;
}

function liveValues(clock: Clock<StoredValue>, nowMs: number): StoredValue[] {
  return values(clock).filter((value) => !isOver(value, nowMs));
}
