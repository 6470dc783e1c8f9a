import { Piscina } from 'piscina';
import { run, type RunOptions, type Verdict } from './run.js';

const WORKER = new URL('./seed-worker.js', import.meta.url).href;

/** Runs seeds one after the other and yields their verdicts; whoever has seen enough stops asking. */
export async function* runInOrder(
  seeds: readonly number[],
  options: Omit<RunOptions, 'seed'>,
): AsyncGenerator<Verdict> {
  for (const seed of seeds) yield run({ ...options, seed });
}

/** The same with a thread for each of so many at a time. The order of verdicts is that of the seeds. */
export async function* runSideBySide(
  seeds: readonly number[],
  options: Omit<RunOptions, 'seed' | 'trace' | 'onMinute' | 'parts'>,
  jobs: number,
): AsyncGenerator<Verdict> {
  const pool = new Piscina<RunOptions, Verdict>({
    filename: WORKER,
    minThreads: jobs,
    maxThreads: jobs,
  });
  try {
    const verdicts = seeds.map((seed) => pool.run({ ...options, seed }));
    // Those behind a violation are of no interest, nor is how they ended.
    for (const verdict of verdicts) verdict.catch(() => {});
    for (const verdict of verdicts) yield await verdict;
  } finally {
    await pool.destroy();
  }
}
