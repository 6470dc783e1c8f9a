import { LIMITS } from '../base/limits.js';
import { idOfName, keyOfName } from '../shard/hint-record.js';
import { keepsCopies } from '../ring/live-ring.js';
import type { Place } from '../storage/record-codec.js';
import { decodeVector } from '../storage/record-codec.js';
import { HINT_BUCKET } from '../storage/record.js';
import { covers } from '../versions/dvvs.js';
import type { SimKey } from './history.js';
import type { World } from './world.js';

/**
 * A virtual node is about to let a hint go, or the copy that one speaks of: the owner that it is for has all
 * that the copy has. Nothing else may be counted on, since afterwards nobody knows that the owner lacks it.
 */
export function checkHandover(world: World, holder: number, place: Place, name: Uint8Array): void {
  const isHint = place.bucket === HINT_BUCKET;
  const hinted = isHint ? keyOfName(name) : { bucket: place.bucket, key: name };
  const key = world.history.keys.get(Buffer.from(hinted.key).toString('latin1'));
  if (key === undefined || key.bucket.number !== hinted.bucket) return;
  const owners = isHint ? ownersCalled(world, idOfName(name)) : hintedBy(world, holder, key);
  for (const owner of owners) checkOwner(world, holder, owner, key);
  if (!isHint && owners.length > 0) forget(world, holder, key);
}

/** The dots that a fallback has made are remembered by it no more: it makes others under another actor. */
function forget(world: World, holder: number, key: SimKey): void {
  const { history, machine, scheduler } = world;
  const copy = world.copyAt(holder, key.stored);
  if (copy === undefined || world.owners(key).includes(holder) || world.others(key).includes(holder)) return;
  for (const { actor } of decodeVector(copy.words, copy.at))
    if (machine.ownerOf(actor) === holder) history.forgotten.set(actor, scheduler.nowMs);
}

function ownersCalled({ ring }: World, id: string | undefined): number[] {
  const found = ring.vnodes.findLast((vnode) => vnode.id === id);
  return found === undefined ? [] : [found.ordinal];
}

function hintedBy(world: World, holder: number, key: SimKey): number[] {
  return world.ring.vnodes.flatMap(({ ordinal }) =>
    world.copyAt(holder, world.hintFor(ordinal, key)) === undefined ? [] : [ordinal],
  );
}

function checkOwner(world: World, holder: number, owner: number, key: SimKey): void {
  const copy = world.copyAt(holder, key.stored);
  // It has acknowledged the copy, and may have lost it since.
  if (copy === undefined || world.lossesSince(world.scheduler.nowMs - LIMITS.replicaFrameMs) > 0) return;
  const vector = decodeVector(copy.words, copy.at);
  const has = (vnode: number): boolean => {
    const theirs = world.copyAt(vnode, key.stored);
    return theirs !== undefined && covers(decodeVector(theirs.words, theirs.at), vector);
  };
  // Once it owns nothing of the partition any more, one of those who do has it, maybe this one itself.
  const heirs = keepsCopies(world.ring, key.stored.partition, key.bucket.n, owner)
    ? [owner]
    : [...world.owners(key), ...world.others(key)];
  if (heirs.some(has)) return;
  world.violation(
    `virtual node ${holder} lets go what it holds of ${key.name} for ${owner}, which does not have all of it`,
  );
}
