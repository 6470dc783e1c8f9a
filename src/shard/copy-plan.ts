import type { VnodeEnvironment } from './environment.js';
import { otherOwners } from '../ring/live-ring.js';
import type { PutRequest } from './put-request.js';

/** A copy of a put that somebody keeps for an owner that does not serve. */
export interface HintedCopy {
  readonly owner: number;
  /** A fallback, or this virtual node itself: then it is only noted that the owner lacks its copy. */
  readonly holder: number;
}

/** Who takes the copies of a put besides the coordinator. */
export interface CopyPlan {
  readonly owners: number[];
  readonly hinted: readonly HintedCopy[];
  /** Where in the preference list further fallbacks are looked for. */
  readonly next: number;
  /** Owners of the other list alone, while the partition moves; they get copies too. */
  readonly others: readonly number[];
}

const NONE: readonly HintedCopy[] = [];

/**
 * The sloppy quorum (paper §4.6): each owner that cannot be reached is replaced by the next
 * fallback of the preference list. A coordinator that is no owner keeps its own copy for the first
 * of them; if all are back by now, for the first owner, or the copy would stay here for nobody. Where no
 * fallback is left, or only owners may count, the hint stays with the coordinator.
 */
export function planCopies(
  { ordinal, ring }: Pick<VnodeEnvironment, 'ordinal' | 'ring'>,
  request: Pick<PutRequest, 'partition' | 'n' | 'ownersOnly'>,
  guest: boolean,
  reaches: (vnode: number) => boolean,
): CopyPlan {
  const { partition, n, ownersOnly } = request;
  const others = otherOwners(ring, partition, n);
  const first = partition * ring.preferenceLength;
  const owners: number[] = [];
  let hinted: HintedCopy[] | undefined;
  let next = n;
  for (let i = 0; i < n; i++) {
    const owner = ring.preference[first + i]!;
    if (owner === ordinal) continue;
    if (reaches(owner)) {
      owners.push(owner);
      continue;
    }
    let holder = ordinal;
    const ownCopy = guest && hinted === undefined;
    const end = ownersOnly || ownCopy ? n : ring.preferenceLength;
    while (holder === ordinal && next < end) {
      const fallback = ring.preference[first + next++]!;
      if (fallback !== ordinal && !others.includes(fallback) && reaches(fallback)) holder = fallback;
    }
    (hinted ??= []).push({ owner, holder });
  }
  if (guest) hinted ??= [{ owner: ring.preference[first]!, holder: ordinal }];
  return { owners, hinted: hinted ?? NONE, next, others };
}
