import { describe, expect, it } from 'vitest';
import { run } from '../../src/sim/run.js';
import { WHOLE } from './lengths.js';
import { WRONG } from './wrong-parts.js';

/** Each mistake shows within so many runs of so many minutes. */
const SEEDS = 40;
const MINUTES = 3;
const FAULTS_PER_MINUTE = 16;

/** The seed that shows it, as the code is now; it is tried first to save time. */
const LIKELY: Readonly<Record<string, number>> = {
  'a hint deleted by key': 3,
  'a fallback that reuses a dot after its hint was deleted': 5,
};

/** These take longest to show: in a stage of .ci/run, and in long runs. */
const SLOW = [
  'plain vector clocks',
  'no new actor after a crash',
  'read repair that overwrites siblings',
  'a hint deleted by key',
  'a fallback that reuses a dot after its hint was deleted',
  'a confirmation that counts unsynced data',
];

describe('the checks of the simulator can fail', () => {
  for (const [mistake, parts] of Object.entries(WRONG)) {
    it.skipIf(SLOW.includes(mistake) && !WHOLE)(`finds ${mistake}`, { timeout: 1_200_000 }, () => {
      const found: string[] = [];
      const first = LIKELY[mistake] ?? 1;
      for (let i = 0; i < SEEDS && found.length === 0; i++) {
        const seed = 1 + ((first - 1 + i) % SEEDS);
        found.push(...run({ seed, minutes: MINUTES, faultsPerMinute: FAULTS_PER_MINUTE, parts }).violations);
      }
      expect(found).not.toEqual([]);
    });
  }
});
