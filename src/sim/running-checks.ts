import { LIMITS } from '../base/limits.js';
import type { Outbox } from '../messaging/transport.js';
import { SYNCED, WRITTEN } from '../storage/buffer-layout.js';
import { BUFFERED, DURABLE, ONE_DURABLE } from '../storage/pipeline.js';
import { decodeVector, dotIn } from '../storage/record-codec.js';
import { bucketAt, sequenceAt, W_KEY_HASH } from '../storage/record.js';
import { type Clock, equal } from '../versions/dvvs.js';
import { nameOf, type Write } from './history.js';
import type { World } from './world.js';

/** A request may be refused only after the last frame before the limit was taken. */
const OUTBOX_SLACK_BYTES = 1 << 20;

/**
 * At the moment of an acknowledgement W virtual nodes on W distinct nodes hold the write, as far as its
 * level asks: owners, and fallbacks that also hold a hint that says so. While its partition moves that is
 * so of the owners before and of those after the change: whichever list is read from next has it.
 *
 * @param ownersOnly the put had a condition
 */
export function checkAcknowledgement(
  world: World,
  write: Write,
  vector: Clock<never>,
  ownersOnly: boolean,
): void {
  const { key } = write;
  const { w } = key.bucket;
  const here = nodesWith(world, write, vector, world.owners(key), ownersOnly);
  const others = world.otherList(key);
  const there = Math.max(
    nodesWith(world, write, vector, others, ownersOnly),
    others.filter((owner) => isThereFor(world, owner, write, vector)).length,
  );
  // Whoever has not heard of the change, or of a handover, goes by one list alone.
  const both = others.length > 0 && write.movesSince !== 0 && write.movesSince === world.ring.moves?.since;
  const found = both ? Math.min(here, there) : Math.max(here, there);
  if (found >= w) return;
  // Somebody lost its data after it had acknowledged.
  if (found + world.lossesSince(write.startedMs) >= w) {
    write.thin = true;
    write.exempt = Math.max(here, there) === 0;
    key.recount();
    return;
  }
  world.violation(
    `${nameOf(write)} was acknowledged with W=${w} while ${here} nodes held it` +
      (others.length > 0 ? `, and ${there} by the other list of a partition that moves` : ''),
  );
}

/** On how many nodes a write is: owners by one list, or who keeps a copy for them. */
function nodesWith(
  world: World,
  write: Write,
  vector: Clock<never>,
  owners: readonly number[],
  ownersOnly: boolean,
): number {
  const nodes = new Set<number>();
  const count = (vnode: number): unknown => nodes.add(world.ring.vnodes[vnode]!.nodeIndex);
  for (const vnode of owners) if (holds(world, vnode, write, vector)) count(vnode);
  if (nodes.size >= write.key.bucket.w || ownersOnly) return nodes.size;
  for (const vnode of world.fallbacks(write.key)) {
    if (holds(world, vnode, write, vector) && holdsHint(world, vnode, write)) count(vnode);
  }
  return nodes.size;
}

/** An owner by the other list has the write, or somebody knows that it lacks it: who reads from it asks that one. */
function isThereFor(world: World, owner: number, write: Write, vector: Clock<never>): boolean {
  if (holds(world, owner, write, vector)) return true;
  const hint = world.hintFor(owner, write.key);
  return world.process.members.some(
    (vnode) => world.copyAt(vnode, hint) !== undefined && keeps(world, vnode, write),
  );
}

/** Some time later W nodes hold it still, whoever has let a copy go meanwhile. */
export function checkKept(world: World, write: Write): void {
  const { key, exempt, thin } = write;
  if (exempt || thin || !world.process.isOpen || world.process.dead) return;
  const nodes = new Set<number>();
  const count = (vnodes: readonly number[]): boolean => {
    for (const vnode of vnodes)
      if (keeps(world, vnode, write)) nodes.add(world.ring.vnodes[vnode]!.nodeIndex);
    return nodes.size >= key.bucket.w;
  };
  if (count(world.owners(key)) || count(world.others(key)) || count(world.holders(key))) return;
  if (count(leavers(world))) return;
  world.violation(
    `${nameOf(write)} was acknowledged with W=${key.bucket.w}, and ${nodes.size} nodes hold it still`,
  );
}

/** Who leaves keeps its copies until those they stand for have them. */
function leavers({ ring }: World): number[] {
  const { cleaning, vnodes } = ring;
  return vnodes.flatMap(({ ordinal, node, gone }) =>
    node === cleaning?.leaver && gone !== true ? [ordinal] : [],
  );
}

function keeps(world: World, vnode: number, { key, actor, n }: Write): boolean {
  const copy = world.copyAt(vnode, key.stored);
  return copy !== undefined && dotIn(copy.words, copy.at, actor) >= n;
}

function holds(world: World, vnode: number, write: Write, vector: Clock<never>): boolean {
  const copy = world.copyAt(vnode, write.key.stored);
  if (copy === undefined) return false;
  if (dotIn(copy.words, copy.at, write.actor) < write.n) return false;
  // A newer record says nothing about how far this one has come.
  return (
    !equal(decodeVector(copy.words, copy.at), vector) ||
    reached(world, vnode, copy, write.key.bucket.level) ||
    reachedBefore(world, vnode, write, vector)
  );
}

/** Expiry writes the same version once more, as a tombstone; what was acknowledged is the record before. */
function reachedBefore(world: World, vnode: number, { key }: Write, vector: Clock<never>): boolean {
  const view = world.view(vnode);
  const { words } = view;
  let found = false;
  view.visitLog((at) => {
    found ||=
      words[at + W_KEY_HASH] === key.stored.hash &&
      bucketAt(words, at) === key.stored.bucket &&
      equal(decodeVector(words, at), vector) &&
      reached(world, vnode, { words, at }, key.bucket.level);
  });
  return found;
}

/** Whether a fallback knows for whom it keeps a copy. */
function holdsHint(world: World, vnode: number, { key }: Write): boolean {
  return world.owners(key).some((owner) => {
    const hint = world.copyAt(vnode, world.hintFor(owner, key));
    return hint !== undefined && reached(world, vnode, hint, key.bucket.level);
  });
}

function reached(
  world: World,
  vnode: number,
  copy: { readonly words: Int32Array; readonly at: number },
  level: number,
): boolean {
  if (level === BUFFERED || level === ONE_DURABLE) return true;
  const view = world.view(vnode);
  if (copy.words !== view.words || !view.isLogged(copy.at)) return true;
  return sequenceAt(copy.words, copy.at) <= view.position(level === DURABLE ? SYNCED : WRITTEN);
}

/** Queues and memory are within the limits. */
export function checkLimits(world: World): void {
  const { process } = world;
  if (process.dead) return;
  const most = LIMITS.outboxBytes + OUTBOX_SLACK_BYTES;
  for (const endpoint of process.allEndpoints) {
    for (const { ordinal } of world.ring.vnodes) {
      if (ordinal === endpoint.party) continue;
      // Whoever has not heard of a joiner sends it nothing.
      const waitingBytes = (endpoint.to(ordinal) as Outbox | undefined)?.waitingBytes ?? 0;
      if (waitingBytes > most) {
        world.violation(`${waitingBytes} bytes wait from party ${endpoint.party} to ${ordinal}`);
      }
    }
  }
  for (const caller of process.callers) {
    if (caller !== undefined && caller.machine.pending > LIMITS.inFlight)
      world.violation(`caller ${caller.slot} has ${caller.machine.pending} requests in flight`);
  }
}
