/** How many partitions each member should own. */

/**
 * The largest spacing up to `wanted` that `members` nodes can keep on a cycle of `partitions`: a
 * node met at most once in any `s` consecutive partitions owns at most floor(partitions / s), and
 * all of them together must own everything.
 */
export function feasibleSpacing(partitions: number, members: number, wanted: number): number {
  let spacing = Math.max(1, Math.min(wanted, members, partitions));
  while (members * Math.floor(partitions / spacing) < partitions) spacing -= 1;
  return spacing;
}

/**
 * Splits `total` in proportion to `weights`, nobody above `cap`; what a capped member cannot take
 * goes to the others, again in proportion.
 *
 * @param cap whole, and weights.length * cap >= total
 */
export function idealShares(total: number, weights: readonly number[], cap: number): number[] {
  const capped = weights.map(() => false);
  for (;;) {
    let rest = total;
    let weight = 0;
    weights.forEach((own, i) => {
      if (capped[i]) rest -= cap;
      else weight += own;
    });
    const ideals = weights.map((own, i) => (capped[i] ? cap : (rest * own) / weight));
    const over = ideals.map((ideal, i) => !capped[i] && ideal > cap);
    if (!over.includes(true)) return ideals;
    over.forEach((isOver, i) => {
      if (isOver) capped[i] = true;
    });
  }
}

/**
 * Rounds shares down or up to whole partitions that sum to `total`. Rounds up first where a member
 * owns more than the floor already (or a change of the ring would move partitions for nothing), then
 * by largest remainder, then by position.
 */
export function wholeShares(total: number, ideals: readonly number[], previous: readonly number[]): number[] {
  const shares = ideals.map(Math.floor);
  const left = total - shares.reduce((sum, share) => sum + share, 0);
  const order = ideals
    .map((ideal, i) => ({ i, remainder: ideal - shares[i]!, keeps: (previous[i] ?? 0) > shares[i]! }))
    .filter(({ remainder }) => remainder > 0)
    .sort((a, b) => Number(b.keeps) - Number(a.keeps) || b.remainder - a.remainder || a.i - b.i);
  for (const { i } of order.slice(0, left)) shares[i]! += 1;
  return shares;
}
