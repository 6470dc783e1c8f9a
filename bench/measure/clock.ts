/**
 * One monotonic clock in milliseconds for all threads and processes of a run. `performance.now()`
 * starts at zero in every thread, so it is shifted once to the kernel's monotonic time; reading it
 * costs about 50 ns, half of `process.hrtime`.
 */
const offsetMs = Math.max(
  // An interruption between the two readings can only make a difference smaller.
  ...Array.from({ length: 20 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
);

export function nowMs(): number {
  return performance.now() + offsetMs;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export async function sleepUntil(atMs: number): Promise<void> {
  const waitMs = atMs - nowMs();
  if (waitMs > 0) await sleep(waitMs);
}
