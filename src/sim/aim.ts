import type { World } from './world.js';

/** So long the load stays where a fault has struck. */
const STAYS_MS = 5_000;

/** Virtual nodes that own the key with the most load; none if there is no such key, or faults do not aim this time. */
function target(world: World): readonly number[] {
  const { focus, random, profile, scheduler } = world;
  if (focus.key === undefined || !random.chance(profile.aimed)) return [];
  focus.keptUntilMs = Math.max(focus.keptUntilMs, scheduler.nowMs + STAYS_MS);
  return world.owners(focus.key);
}

/** Whom a fault strikes: anybody, or an owner of the key with the most load. */
export function victim(world: World): number {
  const owners = target(world);
  return world.random.pick(owners.length > 0 ? owners : world.process.members);
}

/** A node, by its index in the ring. */
export function victimNode(world: World): number {
  const owners = target(world);
  if (owners.length > 0) return world.ring.vnodes[world.random.pick(owners)]!.nodeIndex;
  return world.random.below(world.ring.nodes.length);
}

/** Which parties are on this side of a partition: nodes are never divided, callers go to either. */
export function split(world: World): boolean[] {
  const { random, ring, process } = world;
  const owners = target(world);
  const aimed = new Set(owners.map((vnode) => ring.vnodes[vnode]!.nodeIndex));
  const nodes = ring.nodes.map((_, node) => (owners.length > 0 ? aimed.has(node) : random.chance(0.4)));
  return Array.from({ length: process.memory.layout.parties }, (_, party) =>
    party < ring.vnodes.length ? nodes[ring.vnodes[party]!.nodeIndex]! : random.chance(0.4),
  );
}

/**
 * Pairs that do not reach each other, although others reach both: what one suspects another serves. Where it
 * aims, an owner and the others: fallbacks take what is written for it, and hand it over all the while.
 */
export function pairs(world: World): (one: number, other: number) => boolean {
  const { random, process } = world;
  const owners = target(world);
  if (owners.length > 1) {
    const alone = random.pick(owners);
    return (one, other) =>
      (one === alone || other === alone) && owners.includes(one) && owners.includes(other);
  }
  const { parties } = process.memory.layout;
  const cut = Array.from({ length: parties * parties }, () => random.chance(0.2));
  return (one, other) => cut[Math.min(one, other) * parties + Math.max(one, other)]!;
}

/** All links, those of one party, or each by chance. */
export function some({ random, process }: World): (from: number, to: number) => boolean {
  const dice = random.below(3);
  if (dice === 0) return () => true;
  const one = random.below(process.memory.layout.parties);
  if (dice === 1) return (from, to) => from === one || to === one;
  return () => random.chance(0.3);
}
