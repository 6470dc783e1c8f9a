import { describe, expect, it } from 'vitest';
import { run } from '../../src/sim/run.js';
import { LONG, WHOLE } from './lengths.js';

/** .ci/run has forty runs of ten minutes beside these. */
const SEEDS = LONG ? 150 : 2;
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

  it(`finds no violation in ${SEEDS} seeds`, { timeout: LONG ? 3_600_000 : 600_000 }, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const verdict = run({ seed, minutes: MINUTES, faultsPerMinute: FAULTS_PER_MINUTE });
      expect(
        verdict.violations,
        `npm run sim -- --seed ${seed} --minutes ${MINUTES} --faults ${FAULTS_PER_MINUTE} --trace`,
      ).toEqual([]);
      expect(verdict.operations).toBeGreaterThan(MINUTES * 60 * 40);
    }
  });
});
