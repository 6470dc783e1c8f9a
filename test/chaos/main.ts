import { parseArgs } from 'node:util';
import { round } from './round.js';

/**
 * `npm run chaos -- --minutes N --seed S`: real threads, journals and LMDB under load and faults,
 * half of the time with direct reads and half without. Exit code 1 when something was lost, came
 * back, was never written or did not converge; availability is printed, not judged.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0 && minutes <= 1_440) || !Number.isSafeInteger(seed)) {
  console.error('expected --minutes from above 0 to 1440 and --seed with a whole number');
  process.exit(2);
}

const violations: string[] = [];
// Longer runs are more rounds: each begins with an empty store.
const rounds = Math.max(1, Math.ceil(minutes / 10)) * 2;
for (let i = 0; i < rounds; i++) {
  const directReads = i % 2 === 0;
  console.log(`round ${i + 1} of ${rounds}, seed ${seed + i}, direct reads ${directReads ? 'on' : 'off'}`);
  const books = await round({ round: i, seed: seed + i, seconds: (minutes * 60) / rounds, directReads });
  violations.push(...books.violations);
  for (const text of books.violations) console.log(`  VIOLATION ${text}`);
}
console.log(violations.length === 0 ? 'no violation' : `${violations.length} violations`);
process.exitCode = violations.length === 0 ? 0 : 1;
