import { setTimeout as sleep } from 'node:timers/promises';

const WINDOW_MS = 50;
/** Share of a core that an idle process of many threads uses. */
const IDLE = 0.1;
/** So many in a row: between two pieces of background work a store does nothing for a moment. */
const IDLE_WINDOWS = 4;
const MOST_WINDOWS = 120;

/**
 * Waits until this process has little left to do, at most 6 s: compilation, compaction and copies that
 * filling a system left behind would otherwise be measured as its first requests.
 */
export async function settle(): Promise<void> {
  let idle = 0;
  for (let window = 0; window < MOST_WINDOWS && idle < IDLE_WINDOWS; window++) {
    const before = process.cpuUsage();
    const beganMs = performance.now();
    await sleep(WINDOW_MS);
    const { user, system } = process.cpuUsage(before);
    idle = (user + system) / 1_000 / (performance.now() - beganMs) < IDLE ? idle + 1 : 0;
  }
}
