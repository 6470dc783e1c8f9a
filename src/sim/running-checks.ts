import { LIMITS } from '../base/limits.js';
import { SYNCED, WRITTEN } from '../storage/buffer-layout.js';
import { BUFFERED, DURABLE } from '../storage/pipeline.js';
import { decodeVector } from '../storage/record-codec.js';
import { sequenceAt } from '../storage/record.js';
import { type Clock, equal } from '../versions/dvvs.js';
import { nameOf, seenBy, type Write } from './history.js';
import type { World } from './world.js';

/** A request may be refused only after the last frame before the limit was taken. */
const OUTBOX_SLACK_BYTES = 1 << 20;

/** At the moment of an acknowledgement W owners on W distinct nodes hold the write, as far as its level asks. */
export function checkAcknowledgement(world: World, write: Write, vector: Clock<never>): void {
  const { w } = write.key.bucket;
  const nodes = new Set<number>();
  for (const vnode of world.owners(write.key)) {
    if (holds(world, vnode, write, vector)) nodes.add(world.ring.vnodes[vnode]!.nodeIndex);
  }
  if (nodes.size >= w) return;
  world.violation(`${nameOf(write)} was acknowledged with W=${w} while ${nodes.size} nodes held it`);
}

function holds(world: World, vnode: number, write: Write, vector: Clock<never>): boolean {
  const copy = world.copyAt(vnode, write.key);
  if (copy === undefined) return false;
  const found = decodeVector(copy.words, copy.at);
  if (seenBy(found, write.actor) < write.n) return false;
  const { level } = write.key.bucket;
  // A newer record says nothing about how far this one has come.
  if (level === BUFFERED || !equal(found, vector)) return true;
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
      const { waitingBytes } = endpoint.to(ordinal);
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
