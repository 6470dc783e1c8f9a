import { Losses } from '../host/losses.js';
import type { RebuildMark } from '../host/rebuild-mark.js';
import type { RingState } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Loss } from '../shard/rebuilding.js';
import { isPlaced } from '../storage/placed.js';
import type { SimBucket } from './history.js';
import type { Machine } from './machine.js';

/** What a loss needs of its process. */
export interface LossWorld {
  readonly machine: Machine;
  readonly buckets: readonly SimBucket[];
  note(text: string): void;
  /** The data of a virtual node is about to be replaced by an empty directory. */
  onLoss(vnode: number, replace: () => void): void;
}

/**
 * What host/data-directory.ts does about virtual nodes that are without their data: whether their
 * peers can give it back is the product's own rule (host/losses.ts).
 */
export class LossKeeper {
  private readonly world: LossWorld;
  private readonly losses: Losses;
  private revision: number;

  constructor(world: LossWorld) {
    const { machine, buckets } = world;
    this.world = world;
    this.revision = machine.ring.revision;
    const counted = buckets.map(({ number, n }) => ({ number, properties: { n } }));
    this.losses = new Losses(ringOfState(machine.ring), () => counted, machine.rebuilding);
  }

  /** What a start of the process finds before it opens anything. @throws RingletError DATA_CORRUPT */
  assess(members: readonly number[]): void {
    const found = new Map<number, string>();
    for (const vnode of members) {
      const reason = this.reasonFor(vnode);
      if (reason !== undefined) found.set(vnode, reason);
    }
    this.current().assertSurvived(
      new Map(Array.from(found, ([vnode, reason]) => [this.idOf(vnode), { reason, kept: true }])),
    );
    for (const [vnode, reason] of found) this.replace(vnode, reason);
  }

  private reasonFor(vnode: number): string | undefined {
    const { machine } = this.world;
    if (machine.gone.has(vnode)) return 'its directory is gone';
    if (machine.hasMark(vnode)) return undefined;
    for (const { partition, bucket, key, record } of machine.vnodes[vnode]!.engine.rows.values())
      if (!isPlaced(partition, bucket, key, record)) return 'a record of its engine is damaged';
    return undefined;
  }

  /** Whether a virtual node can lose what it has now; of all that may have lost something one per replica set must not. */
  canLose(vnode: number): boolean {
    const { machine } = this.world;
    const found = new Map(
      [vnode, ...machine.gone, ...machine.damaged].map((one) => [this.idOf(one), { reason: '', kept: true }]),
    );
    try {
      this.current().assertSurvived(found);
      return true;
    } catch {
      return false;
    }
  }

  /** An empty directory takes the place of what a virtual node had. @throws RingletError DATA_CORRUPT if nobody has it */
  lose(vnode: number, reason: string): void {
    this.current().assertSurvived(new Map([[this.idOf(vnode), { reason, kept: true }]]));
    this.replace(vnode, reason);
  }

  private replace(vnode: number, reason: string): void {
    const { machine, onLoss, note } = this.world;
    note(`vnode ${vnode} has lost its data: ${reason}`);
    const mark: RebuildMark = { since: '', reason, buckets: this.losses.lastBucket, discarded: false };
    onLoss(vnode, () => machine.forget(vnode));
    this.losses.began(this.idOf(vnode), mark);
  }

  /** What the next thread must know. */
  lossOf(vnode: number): Loss | undefined {
    return this.world.machine.rebuilding.get(this.idOf(vnode));
  }

  /** It has everything again, or is no member any more. */
  settled(vnode: number): void {
    this.losses.left(this.idOf(vnode));
  }

  private idOf(slot: number): string {
    return this.current().ring.vnodes[slot]!.id;
  }

  private current(): Losses {
    const { ring }: { ring: RingState } = this.world.machine;
    if (ring.revision !== this.revision) this.losses.ring = ringOfState(ring);
    this.revision = ring.revision;
    return this.losses;
  }
}
