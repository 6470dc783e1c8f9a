import { RULE_LWW } from '../messaging/frames.js';
import { mergeClocks } from '../shard/merge-clocks.js';
import { compareClocks, decodeClock, decodeVector, type StoredValue } from '../storage/record-codec.js';
import { KIND_PLAIN, kindAt, lengthAt } from '../storage/record.js';
import type { Clock } from '../versions/dvvs.js';
import { mustBeThere, nameOf, seenBy, type SimKey, textOf, type Write } from './history.js';
import type { World } from './world.js';

/** Within so long each owner makes a tombstone of a value whose time is over. */
const EXPIRED_MS = 5_000;

interface Final {
  readonly clock: Clock<StoredValue>;
  readonly kind: number;
}

/** After healing: no hint waits, and all replicas of every key are equal. */
export function checkConvergence(world: World): void {
  const { change } = world.machine.ring;
  if (change !== undefined)
    world.violation(`the ${change.kind} of ${change.node} is not over after healing: ${change.phase}`);
  world.process.threads.forEach((thread, vnode) => {
    const waiting = thread?.node?.hintsWaiting ?? 0;
    if (waiting > 0) world.violation(`virtual node ${vnode} still holds ${waiting} hints after healing`);
  });
  for (const [vnode, { reason }] of world.machine.rebuilding)
    world.violation(`virtual node ${vnode} is not rebuilt after healing: ${reason}`);
  for (const key of world.history.keys.values()) {
    const owners = world.owners(key);
    const copies = owners.map((vnode) => world.copyAt(vnode, key.stored));
    for (const vnode of world.holders(key)) {
      if (world.copyAt(vnode, key.stored) === undefined) continue;
      world.violation(`virtual node ${vnode}, no owner, still has ${key.name} after healing`);
    }
    const first = copies.find((copy) => copy !== undefined);
    if (first === undefined) continue;
    copies.forEach((copy, i) => {
      const relation = copy && compareClocks(first.words, first.at, copy.words, copy.at);
      if (relation === 'equal') return;
      // One owner reaps a moment before the other.
      if (copy === undefined && key.isReaped(decodeVector(first.words, first.at))) return;
      world.violation(`replica ${owners[i]!} of ${key.name} differs after healing: ${relation ?? 'missing'}`);
    });
  }
}

/** The last state of every key against everything that clients did. */
export function checkKeys(world: World): void {
  for (const key of world.history.keys.values()) {
    const final = finalOf(world, key);
    world.history.observeClock(key, final.clock);
    checkTimes(world, key, final);
    for (const write of key.writes) if (mustBeThere(write)) checkWrite(world, write, final);
    if (key.bucket.counter) checkCounter(world, key, final);
    else if (key.bucket.rule === RULE_LWW) checkWinner(world, key, final);
    else checkReturned(world, key, final);
  }
}

/** Values whose time is over have left the storage. */
function checkTimes(world: World, key: SimKey, { clock }: Final): void {
  const longAgoMs = world.process.memory.expiry.nowMs() - EXPIRED_MS;
  for (const { values } of clock) {
    for (const { deleted, expiresAtMs = Infinity } of values) {
      if (!deleted && expiresAtMs < longAgoMs)
        world.violation(`${key.name} still holds a value whose time is over`);
    }
  }
}

function finalOf(world: World, key: SimKey): Final {
  let clock: Clock<StoredValue> = [];
  let kind = KIND_PLAIN;
  for (const vnode of world.owners(key)) {
    const copy = world.copyAt(vnode, key.stored);
    if (copy === undefined) continue;
    const record = Int32Array.from(
      copy.words.subarray(copy.at, copy.at + (lengthAt(copy.words, copy.at) >>> 2)),
    );
    const theirs = decodeClock(record, new Uint8Array(record.buffer), 0);
    if (clock.length === 0) {
      clock = theirs;
      kind = kindAt(record, 0);
    } else {
      ({ clock, kind } = mergeClocks(clock, theirs, kind, kindAt(record, 0), key.bucket.rule));
    }
  }
  return { clock, kind };
}

/** Acknowledged: present, or superseded by a write whose client had seen it. */
function checkWrite(world: World, write: Write, { clock }: Final): void {
  const { key, actor, n } = write;
  if (seenBy(clock, actor) < n) {
    world.violation(`${nameOf(write)}, acknowledged as ${actor}:${n}, is lost`);
    return;
  }
  if (key.bucket.counter || key.bucket.rule === RULE_LWW || isLive(clock, write)) return;
  const reason = key.writes.some(
    (other) => other !== write && other.outcome !== 'refused' && seenBy(other.context, actor) >= n,
  );
  if (reason) return;
  world.violation(`${nameOf(write)}, acknowledged as ${actor}:${n}, is superseded by nobody who had seen it`);
}

function isLive(clock: Clock<unknown>, { actor, n }: Write): boolean {
  const entry = clock.find((one) => one.actor === actor);
  return entry !== undefined && n > entry.n - entry.values.length;
}

/** Superseded or deleted by an acknowledged write: not there any more. */
function checkReturned(world: World, key: SimKey, { clock }: Final): void {
  for (const { actor, n, values } of clock) {
    values.forEach((_, i) => {
      const by = key.writes.find((write) => mustBeThere(write) && seenBy(write.context, actor) >= n - i);
      if (by === undefined || (by.actor === actor && by.n === n - i)) return;
      world.violation(`value ${actor}:${n - i} of ${key.name} is back after ${nameOf(by)} superseded it`);
    });
  }
}

/** Last write wins: nothing that began after the winner was acknowledged. */
function checkWinner(world: World, key: SimKey, { clock }: Final): void {
  const live = clock.flatMap(({ actor, n, values }) =>
    values.map((value, i) => ({ actor, n: n - i, value })),
  );
  if (live.length > 1) world.violation(`lww key ${key.name} has ${live.length} values`);
  const winner = live[0] && writeOf(key, live[0]);
  if (winner === undefined) return;
  const later = key.writes.find((write) => mustBeThere(write) && write.startedMs > winner.endedMs);
  if (later === undefined) return;
  world.violation(
    `${nameOf(later)} began after ${nameOf(winner)} had been acknowledged, which wins all the same`,
  );
}

function writeOf(key: SimKey, dot: { actor: number; n: number; value: StoredValue }): Write | undefined {
  const text = textOf(dot.value);
  return key.writes.find((write) =>
    dot.value.deleted
      ? write.actor === dot.actor && write.n === dot.n
      : write.id === Number.parseInt(text, 10),
  );
}

function checkCounter(world: World, key: SimKey, { clock }: Final): void {
  let sum = 0;
  for (const { values } of clock) for (const value of values) sum += Number(textOf(value));
  const least = key.writes.reduce((total, write) => total + (mustBeThere(write) ? write.by : 0), 0);
  if (sum >= least && sum <= key.attempted) return;
  world.violation(`counter ${key.name} is ${sum}, not within [${least}, ${key.attempted}]`);
}
