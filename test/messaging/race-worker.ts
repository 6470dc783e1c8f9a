import { parentPort, workerData } from 'node:worker_threads';
import { mix } from '../../src/base/hash.js';
import { Claims } from '../../src/messaging/claims.js';
import { HybridClock } from '../../src/messaging/hybrid-clock.js';
import { SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';

/** Threads that race for the same words: claims of puts, or ticks of the clock. */
export interface RaceTask {
  readonly race: 'claims' | 'clock';
  readonly shared: SharedBuffers;
  readonly thread: number;
  readonly threads: number;
  readonly rounds: number;
  /** Word 0: the round that is on; word 1: threads that have ended theirs; then the request of each slot. */
  readonly board: SharedArrayBuffer;
}

/** Per round: which of its slots this thread won. Ticks: all that it took, in order. */
export type RaceReport = readonly number[];

export const RACE_SLOTS = 1_024;

function waitFor(words: Int32Array, word: number, value: number): void {
  for (let seen = Atomics.load(words, word); seen !== value; seen = Atomics.load(words, word)) {
    Atomics.wait(words, word, seen, 1_000);
  }
}

/** Every thread but the last coordinates; the last is the caller, who opens all slots and cancels. */
function raceForClaims({ shared, thread, threads, rounds, board }: RaceTask): number[] {
  const control = new Int32Array(shared.control);
  const claims = new Claims(control, new SharedLayout(shared.shape));
  const words = new Int32Array(board);
  const caller = thread === threads - 1;
  const won: number[] = [];
  let late = 0;
  let previous: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    if (caller) {
      waitFor(words, 1, (round - 1) * (threads - 1));
      for (let slot = 0; slot < RACE_SLOTS; slot++) Atomics.store(words, 2 + slot, claims.open(1, slot));
      Atomics.store(words, 0, round);
      Atomics.notify(words, 0);
    } else {
      waitFor(words, 0, round);
    }
    const requests = Array.from({ length: RACE_SLOTS }, (_, slot) => Atomics.load(words, 2 + slot) >>> 0);
    for (let i = 0; i < RACE_SLOTS; i++) {
      const slot = mix(round * 31 + thread + i * 7) & (RACE_SLOTS - 1);
      // A frame of an earlier round, which has outlived its request.
      if (previous.length > 0 && claims.claim(1, previous[slot]!)) late++;
      if (caller ? claims.cancel(1, requests[slot]!) : claims.claim(1, requests[slot]!)) {
        won.push(round * RACE_SLOTS + slot);
      }
    }
    for (let slot = 0; slot < RACE_SLOTS; slot++) {
      if (!caller && claims.claim(1, requests[slot]!)) won.push(round * RACE_SLOTS + slot);
    }
    previous = requests;
    if (!caller) {
      Atomics.add(words, 1, 1);
      Atomics.notify(words, 1);
    }
  }
  return late > 0 ? [-late] : won;
}

function raceForTicks({ shared, thread, rounds }: RaceTask): number[] {
  let wall = 1_700_000_000_000;
  const clock = new HybridClock(shared.control, () => wall);
  const ticks: number[] = [];
  for (let i = 0; i < rounds; i++) {
    // Each thread's time of day goes its own way, forwards and backwards.
    if (i % 50 === 0) wall += (mix(i + thread) % 1_000) * (i % 200 === 0 ? -5 : 3);
    if (i % 97 === 0) clock.observe(clock.last() + (mix(i) & 0xff));
    ticks.push(clock.tick());
  }
  return ticks;
}

const task = workerData as RaceTask;
parentPort!.postMessage(task.race === 'claims' ? raceForClaims(task) : raceForTicks(task));
