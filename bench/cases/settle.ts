import { setTimeout as sleep } from 'node:timers/promises';

const WINDOW_MS = 50;
/** Share of a core that an idle process of many threads uses. */
const IDLE = 0.1;
const MOST_WINDOWS = 40;

/**
 * Waits until this process has little left to do, at most 2 s: compilation, compaction and copies that
 * filling a system left behind would otherwise be measured as its first requests.
 */
export async function settle(): Promise<void> {
  for (let window = 0; window < MOST_WINDOWS; window++) {
    const before = process.cpuUsage();
    const beganMs = performance.now();
    await sleep(WINDOW_MS);
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1_000 / (performance.now() - beganMs) < IDLE) return;
  }
}
