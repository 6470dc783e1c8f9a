import type { Ring } from '../ring/ring.js';

/** A replica set of which no virtual node has its data any more. */
export interface LostSet {
  readonly partition: number;
  /** The n of the buckets that it belongs to. */
  readonly replicas: number;
  readonly owners: readonly string[];
}

/** What of a bucket says who has its data. */
export interface CountedBucket {
  readonly number: number;
  readonly properties: { readonly n: number };
}

/** A virtual node without its data: lost now, or being rebuilt. */
export interface LostVnode {
  /** Buckets up to this number may have lost something there. */
  readonly buckets: number;
  /** The operator has said that what no replica has shall count as gone. */
  readonly discarded: boolean;
}

/**
 * The first replica set that cannot be rebuilt while these virtual nodes are without their data: all
 * its owners are among them, and not all were discarded. A bucket with n = 1 has sets of one owner.
 */
export function lostSet(
  ring: Ring,
  buckets: readonly CountedBucket[],
  lost: ReadonlyMap<string, LostVnode>,
): LostSet | undefined {
  /** By n the lowest number of a bucket that has it. */
  const oldest = new Map<number, number>();
  for (const { number, properties } of buckets)
    oldest.set(properties.n, Math.min(number, oldest.get(properties.n) ?? number));
  for (const [replicas, number] of oldest) {
    for (let partition = 0; partition < ring.partitions; partition++) {
      const first = partition * ring.preferenceLength;
      const set = ring.preference.subarray(first, first + replicas);
      const owners = Array.from(set, (vnode) => ring.vnodes[vnode]!.id);
      const gone = owners.every((owner) => (lost.get(owner)?.buckets ?? 0) >= number);
      if (gone && !owners.every((owner) => lost.get(owner)!.discarded))
        return { partition, replicas, owners };
    }
  }
  return undefined;
}
