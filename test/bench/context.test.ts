import { expect, test } from 'vitest';
import { SuiteContext } from '../../bench/suite/context.js';
import { Progress } from '../../bench/suite/progress.js';
import { parseSla } from '../../bench/suite/sla.js';

const OPTIONS = {
  mode: 'default',
  only: [],
  seed: 1,
  engine: 'memory',
  budgetSeconds: 100,
  outDirectory: 'nowhere',
  sla: parseSla('p99.9=2ms'),
} as const;

/** An experiment with a share of 30 of the 100 s that are left, whose rounds take as long as is given. */
function play(roundSeconds: readonly number[], signal = new AbortController().signal) {
  let left = 100;
  const clock = { secondsLeft: () => left, signal };
  const context = new SuiteContext('one', OPTIONS, clock, new Progress(1, clock.secondsLeft), 30);
  const rounds: number[] = [];
  for (const round of context.rounds(roundSeconds.length)) {
    rounds.push(round);
    left -= roundSeconds[round]!;
  }
  return { rounds, notes: context.notes };
}

test('an experiment has all its rounds while they fit into its share', () => {
  expect(play([10, 10, 10])).toEqual({ rounds: [0, 1, 2], notes: [] });
  expect(play([1, 1, 28])).toEqual({ rounds: [0, 1, 2], notes: [] });
});

test('a round that would not fit is left out, and named; never the first', () => {
  const out = (what: string) => [{ kind: 'missing', what, why: 'out of time' }];
  expect(play([11, 11, 11])).toEqual({ rounds: [0, 1], notes: out('round 3') });
  expect(play([16, 16, 16])).toEqual({ rounds: [0], notes: out('rounds 2 to 3') });
  expect(play([60, 1, 1])).toEqual({ rounds: [0], notes: out('rounds 2 to 3') });
  expect(play([60])).toEqual({ rounds: [0], notes: [] });
});
