import { RingletError } from '../base/errors.js';
import type { Ring } from '../ring/ring.js';
import type { RebuildMark } from './rebuild-mark.js';
import { type CountedBucket, type LostVnode, lostSet } from './survivors.js';

/** A virtual node whose data is gone or damaged. */
export interface Finding {
  readonly reason: string;
  /** Whether what is left may hold what nobody else has, as far as could be seen. */
  readonly kept: boolean;
}

/**
 * The virtual nodes of a store that are without their data. Their peers can give it back as long as
 * each replica set has an owner that is not among them; this is the one place that says so.
 */
export class Losses {
  /** As it is now. */
  ring: Ring;
  private readonly buckets: () => readonly CountedBucket[];
  /** Those that are being rebuilt. */
  readonly marks: Map<string, RebuildMark>;
  /** Those whose threads are on their way out. */
  private readonly claimed = new Set<string>();

  constructor(ring: Ring, buckets: () => readonly CountedBucket[], marks: Map<string, RebuildMark>) {
    this.ring = ring;
    this.buckets = buckets;
    this.marks = marks;
  }

  /** An empty directory with this mark has taken the place of what was lost. */
  began(vnode: string, mark: RebuildMark): void {
    this.marks.set(vnode, mark);
    this.claimed.delete(vnode);
  }

  /** It is no member any more. */
  left(vnode: string): void {
    this.marks.delete(vnode);
    this.claimed.delete(vnode);
  }

  /** The highest number that a bucket has. */
  get lastBucket(): number {
    return this.buckets().reduce((most, { number }) => Math.max(most, number), 0);
  }

  /**
   * Whether the peers of a virtual node can rebuild it, now that its files are gone under its thread. If
   * so it counts as lost from here on: of several at once the last one must stay as it is.
   */
  claim(vnode: string): boolean {
    try {
      this.assertSurvived(new Map([[vnode, { reason: '', kept: true }]]));
    } catch {
      return false;
    }
    this.claimed.add(vnode);
    return true;
  }

  /** @throws RingletError DATA_CORRUPT if what these have lost besides cannot be rebuilt */
  assertSurvived(found: ReadonlyMap<string, Finding>): void {
    const lost = new Map<string, LostVnode>(this.marks);
    for (const vnode of [...this.claimed, ...found.keys()])
      lost.set(vnode, { buckets: this.lastBucket, discarded: false });
    const set = lostSet(this.ring, this.buckets(), lost);
    if (set === undefined) return;
    const vnode = set.owners.find((owner) => found.has(owner)) ?? set.owners[0]!;
    const reason = found.get(vnode)?.reason ?? this.marks.get(vnode)?.reason ?? '';
    throw new RingletError(
      'DATA_CORRUPT',
      `${vnode} has lost its data: ${reason}. Nobody else has partition ${set.partition} of buckets with ` +
        `n = ${set.replicas} (owners: ${set.owners.join(', ')}); restore the data directory from a backup, or ` +
        `give up what is lost: ringlet repair --discard ${set.owners.join(',')}`,
      { vnode, reason, partition: set.partition, n: set.replicas, lost: found.size },
    );
  }
}
