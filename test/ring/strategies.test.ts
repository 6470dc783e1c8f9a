import { expect, test } from 'vitest';
import { dealApart, place } from '../../src/ring/placement.js';
import {
  dealtPartitionsEfficiency,
  ownersEfficiency,
  randomTokensEfficiency,
  randomTokensEqualPartitionsEfficiency,
  type StrategyCase,
} from '../../src/ring/strategies.js';
import { seeded } from './support.js';

const NODES = 30;
const REPLICAS = 3;
const SEEDS = 25;
/** The hump of strategy 2 in the paper's plot needs a fixed Q of about 1,024. */
const PARTITIONS = 1_024;
const TOKENS = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

const EXPECTED = [
  {
    strategy: 'strategy 1 (T random tokens, ranges by token)',
    efficiency: randomTokensEfficiency,
    columns: [0.53, 0.61, 0.71, 0.76, 0.81, 0.87, 0.91, 0.93, 0.95, 0.96],
  },
  {
    strategy: 'strategy 2 (T random tokens, equal ranges)',
    efficiency: (setup: StrategyCase) => randomTokensEqualPartitionsEfficiency(setup, PARTITIONS),
    columns: [0.51, 0.61, 0.7, 0.78, 0.83, 0.86, 0.88, 0.86, 0.85, 0.84],
  },
  {
    strategy: 'strategy 3 (Q/S tokens, equal ranges, dealt at random)',
    efficiency: dealtPartitionsEfficiency,
    columns: [0.87, 0.87, 0.91, 0.91, 0.94, 0.95, 0.97, 0.98, 0.98, 0.99],
  },
];

for (const { strategy, efficiency, columns } of EXPECTED) {
  test(`§6.2, Figure 8: ${strategy} has the computed load efficiency in all ten columns`, () => {
    const computed = TOKENS.map((tokensPerNode) => {
      let sum = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        const random = seeded(seed * 7_919 + tokensPerNode);
        sum += efficiency({ nodes: NODES, tokensPerNode, replicas: REPLICAS, random });
      }
      return sum / SEEDS;
    });
    const off = computed.map((value, i) => Math.abs(value - columns[i]!));
    expect(Math.max(...off), computed.map((value) => value.toFixed(3)).join(' ')).toBeLessThanOrEqual(0.03);
  });
}

test('strategy 3 dealt apart is exactly even with the same Q as in Figure 8', () => {
  for (const tokensPerNode of TOKENS) {
    const owner = dealApart(Array.from({ length: NODES }, () => tokensPerNode));
    expect(ownersEfficiency(owner, NODES, REPLICAS)).toBeCloseTo(1, 9);
  }
});

test('our placement over a power of two of partitions reaches 0.99 (S=30, Q=4,096, N=3)', () => {
  const nodes = Array.from({ length: NODES }, (_, i) => ({ id: `n${i}`, capacity: 1, vnodes: 1 }));
  const { owner } = place({ partitions: 4_096, nodes, spacing: REPLICAS });
  expect(ownersEfficiency(owner, NODES, REPLICAS)).toBeGreaterThanOrEqual(0.99);
});
