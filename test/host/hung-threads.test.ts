import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { HungThreads } from '../../src/host/hung-threads.js';
import type { Incarnation } from '../../src/host/incarnation.js';

const HUNG_MS = 2_000;
const WATCH_MS = 500;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Threads by number, those that are terminated, and looks at them whose hearts beat if they are told to. */
function watched(count: number) {
  const beats = Array.from({ length: count }, () => 0);
  const terminated: number[] = [];
  const threads = new Map(
    beats.map((_, thread) => [
      thread,
      { isReady: true, terminate: () => terminated.push(thread) } as unknown as Incarnation,
    ]),
  );
  const hung = new HungThreads(HUNG_MS, WATCH_MS, (thread) => beats[thread]!);
  const look = (afterMs: number, beating: readonly number[]): void => {
    for (const thread of beating) beats[thread]!++;
    vi.advanceTimersByTime(afterMs);
    hung.look(threads);
  };
  return { terminated, threads, look };
}

it('a thread whose heart stands still for too long is terminated, and no other', () => {
  const { terminated, threads, look } = watched(3);
  for (let i = 0; i < 5; i++) look(WATCH_MS, [0, 2]);
  expect(terminated).toEqual([]);
  look(WATCH_MS, [0, 2]);
  expect(terminated).toEqual([1]);
  expect(threads.get(1)!.error).toMatchObject({ code: 'INTERNAL', details: { hungMs: HUNG_MS } });
  for (let i = 0; i < 20; i++) look(WATCH_MS, [0, 1, 2]);
  expect(terminated).toEqual([1]);
});

it('where the watch itself was away everybody gets a new period; a thread that starts is not judged', () => {
  const { terminated, threads, look } = watched(2);
  for (let i = 0; i < 10; i++) look(2 * WATCH_MS + 1, []);
  expect(terminated).toEqual([]);
  threads.get(0)!.isReady = false;
  for (let i = 0; i < 5; i++) look(WATCH_MS, []);
  expect(terminated).toEqual([1]);
});
