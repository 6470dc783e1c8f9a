import { performance } from 'node:perf_hooks';
import type { Clock } from './time.js';

/** The clock of this thread: `performance.now()` shifted so that all threads of the process agree. */
export function threadClock(): Clock {
  const [seconds, nanoseconds] = process.hrtime();
  const offset = seconds * 1000 + nanoseconds / 1e6 - performance.now();
  return { nowMs: () => performance.now() + offset, wallMs: () => Date.now() };
}
