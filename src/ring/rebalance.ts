import { Circle, VACANT } from './circle.js';

/** Turns that a place rests after an exchange, and turns without a gain until the search gives up. */
const REST = 10;
const PATIENCE = 400;

/**
 * Moves as few partitions as it can so that every virtual node owns its target number and the same
 * node does not come twice within `spacing` consecutive partitions (cyclically).
 *
 * Four steps: virtual nodes above their target give up partitions, evenly around the ring and first
 * where they stand too close; the vacancies go to those below their target; what is still too close
 * is exchanged for a partition elsewhere, and needless moves are taken back. Deterministic: ties go to the lower partition.
 *
 * @param previous owner (a virtual node) of each partition, -1 where it has left
 * @param nodeOf node of each virtual node
 * @param targets partitions of each virtual node; they sum to previous.length
 */
export function rebalance(
  previous: Int32Array,
  nodeOf: readonly number[],
  targets: readonly number[],
  spacing: number,
): Int32Array {
  const circle = new Circle(previous, nodeOf, spacing);
  const missing = [...targets];
  for (const vnode of previous) if (vnode !== VACANT) missing[vnode]! -= 1;
  vacate(circle, missing);
  fill(circle, missing, targets);
  separate(circle, previous);
  reclaim(circle, previous);
  return circle.owner;
}

/** `missing` is negative where a virtual node has too many; ends at zero or above everywhere. */
function vacate(circle: Circle, missing: number[]): void {
  const surplus = missing.reduce((sum, m) => sum + Math.max(0, -m), 0);
  for (let i = 0; i < surplus; i++) {
    const wanted = Math.floor((i * circle.size) / surplus);
    let best = VACANT;
    let bestCost = Infinity;
    for (let p = 0; p < circle.size; p++) {
      const vnode = circle.owner[p]!;
      if (vnode === VACANT || missing[vnode]! >= 0) continue;
      const apart = Math.abs(p - wanted);
      const distance = Math.min(apart, circle.size - apart);
      // Vacancies too close to each other would be a clash of whoever takes them: mostly one joiner.
      const cost =
        circle.clashes(p, VACANT) * 2 * circle.size - circle.clashes(p, vnode) * circle.size + distance;
      if (cost < bestCost) {
        best = p;
        bestCost = cost;
      }
    }
    missing[circle.owner[best]!]! += 1;
    circle.owner[best] = VACANT;
  }
}

function fill(circle: Circle, missing: number[], targets: readonly number[]): void {
  for (let p = 0; p < circle.size; p++) {
    if (circle.owner[p] !== VACANT) continue;
    let best = VACANT;
    let bestCost = Infinity;
    for (let vnode = 0; vnode < missing.length; vnode++) {
      if (missing[vnode]! <= 0) continue;
      const cost = circle.clashes(p, vnode) - missing[vnode]! / targets[vnode]! / 2;
      if (cost < bestCost) {
        best = vnode;
        bestCost = cost;
      }
    }
    circle.owner[p] = best;
    missing[best]! -= 1;
  }
}

/**
 * Exchanges owners until nobody stands too close, by a tabu search: the best exchange of a clashing
 * partition is made even if it does not help at once, and both places then rest for a while. When a
 * node leaves a tight ring (five nodes become four, N = 3) no single exchange helps any more.
 * Ends with the best order seen; what cannot be separated the preference lists skip.
 */
function separate(circle: Circle, previous: Int32Array): void {
  const { owner, size } = circle;
  const restUntil = new Int32Array(size);
  let clashes = circle.allClashes();
  let fewest = clashes;
  let best = owner.slice();
  let cursor = 0;
  for (let turn = 1, idle = 0; clashes > 0 && idle < PATIENCE; turn++, idle++) {
    const p = nextClash(circle, restUntil, turn, cursor);
    const q = p === undefined ? undefined : bestExchange(circle, previous, p, restUntil, turn);
    if (p === undefined || q === undefined) continue;
    const before = circle.clashesOfPair(p, q);
    circle.swap(p, q);
    clashes += circle.clashesOfPair(p, q) - before;
    restUntil[p] = turn + REST + (turn % 7);
    restUntil[q] = turn + REST + (turn % 5);
    cursor = p;
    if (clashes >= fewest) continue;
    fewest = clashes;
    best = owner.slice();
    idle = 0;
  }
  owner.set(best);
}

function nextClash(circle: Circle, restUntil: Int32Array, turn: number, cursor: number): number | undefined {
  for (let step = 0; step < circle.size; step++) {
    const p = (cursor + step) % circle.size;
    if (restUntil[p]! < turn && circle.clashes(p, circle.owner[p]!) > 0) return p;
  }
  return undefined;
}

/** Fewest clashes first; among equals the exchange that moves fewest partitions, then the nearest. */
function bestExchange(
  circle: Circle,
  previous: Int32Array,
  p: number,
  restUntil: Int32Array,
  turn: number,
): number | undefined {
  const { owner } = circle;
  let best: number | undefined;
  let bestCost = Infinity;
  for (let step = 1; step < circle.size; step++) {
    const q = (p + step) % circle.size;
    if (restUntil[q]! >= turn || circle.node(owner[p]!) === circle.node(owner[q]!)) continue;
    const before = circle.clashesOfPair(p, q) * 4 + moves(p) + moves(q);
    circle.swap(p, q);
    const cost = circle.clashesOfPair(p, q) * 4 + moves(p) + moves(q) - before;
    circle.swap(p, q);
    if (cost < bestCost) {
      best = q;
      bestCost = cost;
    }
  }
  return best;

  function moves(at: number): number {
    return Number(owner[at] !== previous[at]);
  }
}

/** Gives partitions back to their previous owners where an exchange does so without a new clash. */
function reclaim(circle: Circle, previous: Int32Array): void {
  const { owner, size } = circle;
  for (let improved = true; improved;) {
    improved = false;
    for (let p = 0; p < size; p++) {
      for (let q = 0; q < size && owner[p] !== previous[p]; q++) {
        // A partition that is at its previous owner would move instead: nothing won.
        if (owner[q] !== previous[p] || owner[q] === previous[q]) continue;
        const before = circle.clashesOfPair(p, q);
        circle.swap(p, q);
        if (circle.clashesOfPair(p, q) <= before) improved = true;
        else circle.swap(p, q);
      }
    }
  }
}
