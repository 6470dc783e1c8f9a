/**
 * The paper's three partitioning strategies as load models (§6.2, Figure 8). Keys are uniform and
 * each charges its load to all N replicas. A strategy's load efficiency is mean load / maximum load
 * over the nodes, above 0 to 1. Its metadata is nodes × tokens units.
 */
export interface StrategyCase {
  /** S, at least `replicas`. */
  readonly nodes: number;
  /** T. */
  readonly tokensPerNode: number;
  /** N. */
  readonly replicas: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Strategy 1: T random tokens per node; the ranges lie between tokens, so their sizes differ. */
export function randomTokensEfficiency(setup: StrategyCase): number {
  const tokens = randomTokens(setup);
  const walk = new ReplicaWalk(setup.nodes, setup.replicas);
  tokens.forEach((token, i) => {
    const before = tokens[(i + tokens.length - 1) % tokens.length]!;
    const width = i === 0 ? token.at + 1 - before.at : token.at - before.at;
    walk.charge(i, width, tokens.length, (at) => tokens[at]!.node);
  });
  return walk.efficiency();
}

/**
 * Strategy 2: T random tokens per node over `partitions` equal ranges. A range lies on the first N
 * distinct nodes from its end clockwise; tokens only place it.
 */
export function randomTokensEqualPartitionsEfficiency(setup: StrategyCase, partitions: number): number {
  const tokens = randomTokens(setup);
  const walk = new ReplicaWalk(setup.nodes, setup.replicas);
  let next = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const end = (partition + 1) / partitions;
    while (next < tokens.length && tokens[next]!.at < end) next += 1;
    walk.charge(next % tokens.length, 1 / partitions, tokens.length, (at) => tokens[at]!.node);
  }
  return walk.efficiency();
}

/** Strategy 3 with the paper's random dealing: Q = S·T equal partitions, T to each node. */
export function dealtPartitionsEfficiency(setup: StrategyCase): number {
  const owner = Int32Array.from({ length: setup.nodes * setup.tokensPerNode }, (_, i) => i % setup.nodes);
  for (let i = owner.length - 1; i > 0; i--) {
    const j = Math.floor(setup.random() * (i + 1));
    const kept = owner[i]!;
    owner[i] = owner[j]!;
    owner[j] = kept;
  }
  return ownersEfficiency(owner, setup.nodes, setup.replicas);
}

/**
 * Strategy 3 with any dealing, such as the store's own placement.
 *
 * @param owner partition → node, 0 to nodes - 1
 */
export function ownersEfficiency(owner: ArrayLike<number>, nodes: number, replicas: number): number {
  const walk = new ReplicaWalk(nodes, replicas);
  for (let partition = 0; partition < owner.length; partition++) {
    walk.charge(partition, 1 / owner.length, owner.length, (at) => owner[at]!);
  }
  return walk.efficiency();
}

interface Token {
  /** Position on the circle, 0 to 1. */
  readonly at: number;
  readonly node: number;
}

function randomTokens({ nodes, tokensPerNode, random }: StrategyCase): Token[] {
  return Array.from({ length: nodes * tokensPerNode }, (_, i) => ({ at: random(), node: i % nodes })).sort(
    (a, b) => a.at - b.at,
  );
}

/** Walks clockwise to the first N distinct nodes, and adds a range's load to each of them. */
class ReplicaWalk {
  private readonly load: Float64Array;
  private readonly chargedBy: Int32Array;
  private readonly replicas: number;
  private ranges = 0;

  constructor(nodes: number, replicas: number) {
    this.load = new Float64Array(nodes);
    this.chargedBy = new Int32Array(nodes);
    this.replicas = replicas;
  }

  /** @param size of the circle in places; a node that has no place is never charged */
  charge(from: number, load: number, size: number, nodeAt: (place: number) => number): void {
    this.ranges += 1;
    let charged = 0;
    for (let step = 0; step < size && charged < this.replicas; step++) {
      const node = nodeAt((from + step) % size);
      if (this.chargedBy[node] === this.ranges) continue;
      this.chargedBy[node] = this.ranges;
      this.load[node]! += load;
      charged += 1;
    }
  }

  efficiency(): number {
    const total = this.load.reduce((sum, load) => sum + load, 0);
    return total / this.load.length / Math.max(...this.load);
  }
}
