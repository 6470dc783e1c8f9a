import { workerData } from 'node:worker_threads';
import { SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { Sleeper } from '../../src/messaging/sleeper.js';
import { readNumbered, sendNumbered } from './numbered-frames.js';

/** Party 0 sends, party 1 takes; either is terminated at any instruction and another thread goes on. */
export interface TakeoverTask {
  readonly shared: SharedBuffers;
  readonly party: 0 | 1;
  /** Numbers that this sender uses: from `first`, as many as it gets to. */
  readonly first: number;
  readonly until: number;
  /** One word per number: how often it was taken. */
  readonly taken: SharedArrayBuffer;
  /** Words 0 and 1: turns of each party, to see that they move; 2: sleeps that timed out. */
  readonly progress: SharedArrayBuffer;
}

const SLEEP_MS = 20_000;

function run({ shared, party, first, until, ...task }: TakeoverTask): void {
  const endpoint = new RingEndpoint(shared, party);
  const sleeper = new Sleeper(new Int32Array(shared.control), new SharedLayout(shared.shape), endpoint);
  const taken = new Int32Array(task.taken);
  const progress = new Int32Array(task.progress);
  let number = first;
  const last = party === 0 ? until : first;
  const take = (_from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    Atomics.add(taken, readNumbered(words, bytes, at), 1);
  };
  for (;;) {
    while (endpoint.drain(64, take)) continue;
    while (number < last && endpoint.to(1).waitingBytes < 4_096) {
      sendNumbered(endpoint, 1, number, 16 + (number % 60) * 8);
      number++;
    }
    endpoint.flush();
    Atomics.add(progress, party, 1);
    if (party === 0 && number === until && !endpoint.blocked) return;
    const startedMs = performance.now();
    sleeper.block(SLEEP_MS);
    if (performance.now() - startedMs >= SLEEP_MS * 0.95) Atomics.add(progress, 2, 1);
  }
}

run(workerData as TakeoverTask);
