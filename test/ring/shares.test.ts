import { expect, test } from 'vitest';
import { feasibleSpacing, idealShares, wholeShares } from '../../src/ring/shares.js';

test('the feasible spacing is the largest that the nodes can fill (64 partitions)', () => {
  const spacings = [
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 3],
    [4, 4],
    [5, 5],
    [6, 5],
  ].map(([nodes, wanted]) => feasibleSpacing(64, nodes!, wanted!));
  expect(spacings).toEqual([1, 2, 2, 3, 4, 4, 5]);
  expect(feasibleSpacing(2, 4, 3)).toBe(2);
});

test('what a capped member cannot take goes to the others in proportion', () => {
  expect(idealShares(64, [16, 1, 1, 2], 21)).toEqual([21, 11, 11, 21]);
});

test('whole shares round by largest remainder, then by position', () => {
  expect(wholeShares(10, [2.5, 3.3, 4.2], [])).toEqual([3, 3, 4]);
  expect(wholeShares(10, [2.5, 2.5, 2.5, 2.5], [])).toEqual([3, 3, 2, 2]);
});

test('who owns more than the floor already keeps it, so that no partition moves for nothing', () => {
  expect(wholeShares(10, [2.5, 2.5, 2.5, 2.5], [2, 3, 2, 3])).toEqual([2, 3, 2, 3]);
});
