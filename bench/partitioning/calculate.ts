import { PAPER_EFFICIENCY, STRATEGIES, STRATEGY_2_PARTITIONS, type Strategy } from './paper.js';
import { nowMs } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import { sum } from '../measure/statistics.js';
import { EMPTY_ROW } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { dealApart, place, placeAfterJoin } from '../../src/ring/placement.js';
import {
  dealtPartitionsEfficiency,
  ownersEfficiency,
  randomTokensEfficiency,
  randomTokensEqualPartitionsEfficiency,
  type StrategyCase,
} from '../../src/ring/strategies.js';

export interface PartitioningParameters {
  readonly nodes: number;
  readonly replicas: number;
  readonly seeds: number;
  readonly mostNodes: number;
  /** Nodes before a join. */
  readonly joins: readonly number[];
}

const SCALE_TOKENS = 16;
const PARTITIONS_PER_NODE = 16;

/** Fig. 8: efficiency by metadata, the mean over seeds 1, 2, …: one seed of two tokens per node may be off by 0.15. */
export function efficiencyRows(parameters: PartitioningParameters): readonly Row[] {
  const { nodes, replicas, seeds } = parameters;
  return PAPER_EFFICIENCY.flatMap(({ metadata, computed }) => {
    const tokensPerNode = metadata / nodes;
    return ([...STRATEGIES, 4] as const).map((strategy) => {
      const values = Array.from({ length: seeds }, (_, index) => {
        const random = new Random(1 + index, strategy);
        return efficiencyOf(strategy, { nodes, tokensPerNode, replicas, random: () => random.next() });
      });
      const efficiency = sum(values) / values.length;
      const expected =
        strategy === 4
          ? {}
          : { expected: computed[strategy], off: Math.abs(efficiency - computed[strategy]) };
      return {
        ...base(strategy, `${nodes} nodes, ${metadata} units of metadata`),
        part: 'efficiency',
        nodes,
        metadata,
        efficiency,
        lowest: Math.min(...values),
        highest: Math.max(...values),
        seeds,
        ...expected,
        remark: `efficiency ${efficiency.toFixed(3)}`,
      };
    });
  });
}

/** The same with a fixed number of tokens per node and more and more nodes. */
export function scaleRows({ mostNodes, replicas }: PartitioningParameters, seed: number): readonly Row[] {
  return [10, 30, 100, 300, 1_000, 3_000, 10_000]
    .filter((nodes) => nodes <= mostNodes)
    .flatMap((nodes) =>
      ([...STRATEGIES, 4] as const).map((strategy) => {
        const random = new Random(seed, nodes);
        const setup = { nodes, tokensPerNode: SCALE_TOKENS, replicas, random: () => random.next() };
        // Strategy 2 with as many partitions as tokens: a fixed number would be fewer than the nodes.
        const efficiency = efficiencyOf(strategy, setup, nodes * SCALE_TOKENS);
        return {
          ...base(strategy, `${nodes} nodes, ${SCALE_TOKENS} tokens each`),
          part: 'scale',
          nodes,
          efficiency,
          remark: `efficiency ${efficiency.toFixed(3)}`,
        };
      }),
    );
}

/** One more node for the store's own placement: what moves, and how long the plan takes. */
export function joinRows({ joins, replicas }: PartitioningParameters): readonly Row[] {
  return joins.map((nodes) => {
    const partitions = 2 ** Math.ceil(Math.log2((nodes + 1) * PARTITIONS_PER_NODE));
    const node = (index: number): { id: string; capacity: number; vnodes: number } => ({
      id: `n${index + 1}`,
      capacity: 1,
      vnodes: 1,
    });
    const before = place({
      partitions,
      nodes: Array.from({ length: nodes }, (_, i) => node(i)),
      spacing: replicas,
    });
    const beganMs = nowMs();
    const after = placeAfterJoin(before, node(nodes));
    const planMs = nowMs() - beganMs;
    const moved = after.owner.filter((owner, partition) => owner !== before.owner[partition]).length;
    const share = after.owner.filter((owner) => owner === nodes).length;
    return {
      ...base(4, `node ${nodes + 1} joins, ${partitions} partitions`),
      part: 'join',
      nodes,
      partitions,
      moved,
      share,
      movedOverShare: moved / share,
      planMs,
      remark: `${moved} partitions move, ${share} must; planned in ${planMs.toFixed(1)} ms`,
    };
  });
}

function efficiencyOf(strategy: Strategy, setup: StrategyCase, partitions = STRATEGY_2_PARTITIONS): number {
  switch (strategy) {
    case 1:
      return randomTokensEfficiency(setup);
    case 2:
      return randomTokensEqualPartitionsEfficiency(setup, partitions);
    case 3:
      return dealtPartitionsEfficiency(setup);
    case 4: {
      const shares = Array.from({ length: setup.nodes }, () => setup.tokensPerNode);
      return ownersEfficiency(dealApart(shares), setup.nodes, setup.replicas);
    }
  }
}

function base(strategy: Strategy, setting: string): Row {
  const name = strategy === 4 ? 'strategy 3, placed apart' : `strategy ${strategy}`;
  return { ...EMPTY_ROW, system: 'ringlet', setting: `${name}, ${setting}`, strategy };
}
