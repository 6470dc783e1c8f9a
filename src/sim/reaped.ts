import { decodeClock, decodeVector } from '../storage/record-codec.js';
import type { Place } from '../storage/record-codec.js';
import { lengthAt } from '../storage/record.js';
import { firstKnown, mustBeThere, seenBy } from './history.js';
import type { World } from './world.js';

/**
 * An owner is about to let a key go, clock and all. Nobody anywhere, whether or not it runs, may hold
 * a value that the tombstone has superseded: it would come back.
 */
export function checkReaping(world: World, vnode: number, place: Place, bytes: Uint8Array): void {
  const key = world.history.keys.get(Buffer.from(bytes).toString('latin1'));
  // What a fallback lets go stands for nothing any more.
  if (key === undefined || key.bucket.number !== place.bucket || !world.owners(key).includes(vnode)) return;
  const copy = world.copyAt(vnode, key.stored);
  if (copy === undefined) return;
  const vector = decodeVector(copy.words, copy.at);
  // The first owner to do it decides; later ones may already meet what was written behind it.
  if (key.isReaped(vector)) return;
  world.note(`virtual node ${vnode} reaps ${key.name}`);
  world.count('tombstone reaped');
  for (const ordinal of world.process.members) {
    const other = world.copyAt(ordinal, key.stored);
    if (other === undefined) continue;
    const record = other.words.slice(other.at, other.at + (lengthAt(other.words, other.at) >>> 2));
    const back = firstKnown(decodeClock(record, new Uint8Array(record.buffer), 0), vector);
    if (back !== undefined)
      world.violation(`${key.name} is reaped at ${vnode} while ${ordinal} has value ${back} of it`);
  }
  key.reaped.push(vector);
  for (const write of key.writes) {
    if (mustBeThere(write) && seenBy(vector, write.actor) >= write.n) write.exempt = true;
  }
  key.recount();
}
