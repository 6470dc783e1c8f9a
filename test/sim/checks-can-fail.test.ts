import { describe, expect, it } from 'vitest';
import { built } from './built.js';

const { run } = await built<typeof import('../../src/sim/run.js')>('src/sim/run');
const { WRONG } = await built<typeof import('./wrong-parts.js')>('test/sim/wrong-parts');

/** Each mistake shows within so many runs of so many minutes. */
const SEEDS = 80;
const MINUTES = 3;
const FAULTS_PER_MINUTE = 16;

/** It takes its time to show: in .ci/run, in a stage of its own, and in long runs. */
const SLOW = ['a hint deleted by key'];
/** These may need more seeds than a stage of .ci/run has time for: in long runs only. */
const SLOWEST = ['a fallback that reuses a dot after its hint was deleted', 'a journal cut too early'];
const LONG = process.env['RINGLET_LONG'] !== undefined;
const WHOLE = LONG || process.env['RINGLET_SIM'] === 'whole';

describe('the checks of the simulator can fail', () => {
  for (const [mistake, parts] of Object.entries(WRONG)) {
    it.skipIf((SLOW.includes(mistake) && !WHOLE) || (SLOWEST.includes(mistake) && !LONG))(
      `finds ${mistake}`,
      { timeout: 1_200_000 },
      () => {
        const found: string[] = [];
        for (let seed = 1; seed <= SEEDS && found.length === 0; seed++) {
          found.push(
            ...run({ seed, minutes: MINUTES, faultsPerMinute: FAULTS_PER_MINUTE, parts }).violations,
          );
        }
        expect(found).not.toEqual([]);
      },
    );
  }
});
