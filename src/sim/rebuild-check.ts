import { dotIn } from '../storage/record-codec.js';
import { mustBeThere, nameOf, type SimKey, type Write } from './history.js';
import type { World } from './world.js';

interface Owed {
  readonly write: Write;
  /** Whole owners that had it when the data was lost, and have given it since to whoever lacks it. */
  readonly owners: readonly number[];
}

/**
 * One that lost its data and counts as whole again has everything that an owner had when it was lost, and has
 * still: whoever reads it then takes its word for what it lacks.
 */
export class RebuildCheck {
  private readonly world: World;
  private readonly owed = new Map<number, readonly Owed[]>();

  constructor(world: World) {
    this.world = world;
  }

  /** A virtual node has lost its data. */
  lost(vnode: number): void {
    // What it gave to others does not count: it may be lost again.
    this.withdraw(vnode, () => true);
    const { world } = this;
    const { memory } = world.process;
    const list: Owed[] = [];
    for (const key of world.history.keys.values()) {
      const peers = world.owners(key);
      if (!peers.includes(vnode)) continue;
      const whole = peers.filter((peer) => peer !== vnode && memory.isWhole(peer));
      for (const write of key.writes) {
        const owners = whole.filter((peer) => this.gives(peer, write));
        if (mustBeThere(write) && owners.length > 0) list.push({ write, owners });
      }
    }
    this.owed.set(vnode, list);
  }

  /**
   * A virtual node gives a tombstone to nobody for now: nothing that it supersedes is anywhere. It may do so again
   * before the one that was rebuilt counts as whole, and after the two were found equal.
   */
  hidden(vnode: number, key: SimKey): void {
    this.withdraw(vnode, (write) => write.key === key);
  }

  /** Some of what others are owed does not count on a virtual node any more. */
  private withdraw(vnode: number, isMeant: (write: Write) => boolean): void {
    for (const [other, list] of this.owed)
      this.owed.set(
        other,
        list.map(({ write, owners }) => ({
          write,
          owners: isMeant(write) ? owners.filter((owner) => owner !== vnode) : owners,
        })),
      );
  }

  /** It says that it has everything again. */
  whole(vnode: number): void {
    const { world } = this;
    const list = this.owed.get(vnode) ?? [];
    this.owed.delete(vnode);
    for (const { write, owners } of list) {
      const now = world.owners(write.key);
      if (!mustBeThere(write) || !now.includes(vnode) || this.has(vnode, write)) continue;
      const from = owners.find((owner) => now.includes(owner) && this.gives(owner, write));
      if (from === undefined) continue;
      world.violation(
        `virtual node ${vnode} counts as rebuilt without ${nameOf(write)}, which ${from} has had all the time`,
      );
      return;
    }
  }

  /** A process that ends leaves nothing to compare with. */
  forget(): void {
    this.owed.clear();
  }

  private has(vnode: number, { key, actor, n }: Write): boolean {
    const copy = this.world.copyAt(vnode, key.stored);
    return copy !== undefined && dotIn(copy.words, copy.at, actor) >= n;
  }

  /** Has it, and gives it to whoever lacks it: not a tombstone that is about to go everywhere. */
  private gives(vnode: number, write: Write): boolean {
    const copy = this.world.copyAt(vnode, write.key.stored);
    const trees = this.world.process.threads[vnode]?.node?.trees;
    return this.has(vnode, write) && trees?.hides(copy!.words, copy!.at) !== true;
  }
}
