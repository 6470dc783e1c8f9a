import { RULE_LWW } from '../messaging/frames.js';
import { isLive, type StoredValue } from '../storage/record-codec.js';
import { KIND_COUNTER, KIND_PLAIN } from '../storage/record.js';
import { type Clock, sync } from '../versions/dvvs.js';
import { reduceToGreatest } from '../versions/lww.js';

/** One merge rule for replicas, read repair and callers. */
export function mergeClocks(
  a: Clock<StoredValue>,
  b: Clock<StoredValue>,
  aKind: number,
  bKind: number,
  rule: number,
): { clock: Clock<StoredValue>; kind: number } {
  const clock = sync(a, b);
  const kind = mergedKind(a, b, aKind, bKind, clock);
  const reduced =
    rule === RULE_LWW && kind === KIND_PLAIN ? reduceToGreatest(clock, (value) => value.time) : clock;
  return { clock: reduced, kind };
}

/** A counter stays one unless somebody concurrently put an ordinary value. */
function mergedKind(
  a: Clock<StoredValue>,
  b: Clock<StoredValue>,
  aKind: number,
  bKind: number,
  merged: Clock<StoredValue>,
): number {
  if (aKind === bKind) return aKind;
  const counter = aKind === KIND_COUNTER ? a : b;
  // What the counter's side has superseded, or counts itself, does not decide.
  const ordinary = merged.some(({ actor, n, values: list }) => {
    const theirs = counter.find((entry) => entry.actor === actor);
    return list.some((value, i) => isLive(value) && n - i > (theirs?.n ?? 0));
  });
  return ordinary ? KIND_PLAIN : KIND_COUNTER;
}
