import { parentPort, workerData } from 'node:worker_threads';
import { nowMs } from './clock.js';
import { PACER_SLEEPING, PACER_STOP, type PacerData } from './pacer.js';
import { median } from './statistics.js';

/** The kernel wakes a sleeper this much too late at most times; slept that much less, the rest is spun. */
const LONGEST_SPIN_MS = 0.02;
const PROBES = 25;
/** Between two looks for a generator that sleeps when all starts are over. */
const AFTERWARDS_MS = 1;

function pace({ starts, beganMs, words }: PacerData): void {
  const slackMs = measureSlack(words);
  let next = 0;
  while (next < starts.length) {
    const dueMs = beganMs + starts[next]!;
    const waitMs = dueMs - nowMs();
    if (waitMs > LONGEST_SPIN_MS) {
      const stopped = Atomics.wait(words, PACER_STOP, 0, Math.max(0.001, waitMs - slackMs));
      if (stopped !== 'timed-out') return;
      if (dueMs - nowMs() > LONGEST_SPIN_MS) continue;
    }
    while (nowMs() < dueMs);
    wake(words);
    for (const reachedMs = nowMs() - beganMs; next < starts.length && starts[next]! <= reachedMs; next++);
  }
  // The generator's clock may be behind: it would sleep over the last starts, which no later one wakes it for.
  while (Atomics.wait(words, PACER_STOP, 0, AFTERWARDS_MS) === 'timed-out') wake(words);
}

function wake(words: Int32Array): void {
  if (Atomics.compareExchange(words, PACER_SLEEPING, 1, 0) === 1) parentPort?.postMessage(null);
}

function measureSlack(words: Int32Array): number {
  const slacks: number[] = [];
  for (let i = 0; i < PROBES; i++) {
    const beganMs = nowMs();
    Atomics.wait(words, PACER_STOP, 0, 0.05);
    slacks.push(nowMs() - beganMs - 0.05);
  }
  return Math.max(0, median(slacks));
}

pace(workerData as PacerData);
