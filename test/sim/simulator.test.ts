import { describe, expect, it } from 'vitest';
import { Coverage } from '../../src/sim/coverage.js';
import { FAULTS } from '../../src/sim/faults.js';
import { run } from '../../src/sim/run.js';
import { LONG, WHOLE } from './lengths.js';

/**
 * Eighteen runs of so many minutes deal the whole deck of faults and states. In some a state does not come while a
 * fault waits for it: then more runs follow, up to a limit. `npm test` makes do with fewer.
 */
const SEEDS = LONG ? 150 : WHOLE ? 18 : 2;
const MOST_SEEDS = Math.max(SEEDS, 30);
const MINUTES = WHOLE ? 3 : 1;
const FAULTS_PER_MINUTE = 16;

function transcript(seed: number): string {
  const lines: string[] = [];
  run({ seed, minutes: MINUTES / 4, faultsPerMinute: 40, trace: (line) => lines.push(line) });
  return lines.join('\n');
}

describe('the simulator', () => {
  it(
    'runs the same for the same seed, byte for byte, and otherwise for another',
    { timeout: 180_000 },
    () => {
      const first = transcript(3);
      expect(first.length).toBeGreaterThan(MINUTES * 40_000);
      expect(transcript(3)).toBe(first);
      expect(transcript(4)).not.toBe(first);
    },
  );

  it(
    `finds no violation in ${SEEDS} seeds${WHOLE ? ', and meets every fault in every state of the protocols' : ''}`,
    { timeout: 600_000 },
    () => {
      const met = new Coverage();
      const isFull = (): boolean => !WHOLE || met.missing(Object.keys(FAULTS)).length === 0;
      for (let seed = 1; seed <= SEEDS || (seed <= MOST_SEEDS && !isFull()); seed++) {
        const verdict = run({ seed, minutes: MINUTES, faultsPerMinute: FAULTS_PER_MINUTE });
        expect(
          verdict.violations,
          `npm run sim -- --seed ${seed} --minutes ${MINUTES} --faults ${FAULTS_PER_MINUTE} --trace`,
        ).toEqual([]);
        expect(verdict.operations).toBeGreaterThan(MINUTES * 60 * 40);
        met.add(verdict.coverage);
      }
      if (WHOLE) expect(met.missing(Object.keys(FAULTS))).toEqual([]);
    },
  );
});
