import { run, type RunOptions, type Verdict } from './run.js';

/** What a thread of {@link runSideBySide} does. */
export default function simulate(options: RunOptions): Verdict {
  return run(options);
}
