import { parentPort, workerData } from 'node:worker_threads';
import { LeaseTable } from '../../src/messaging/lease-table.js';

/** Threads that take and give up the leases of a few keys as fast as they can. */
export interface LeaseRace {
  readonly table: SharedArrayBuffer;
  /** Per key, how many hold its lease: written by those who do. */
  readonly holders: SharedArrayBuffer;
  readonly caller: number;
  readonly rounds: number;
  readonly keys: number;
}

const { table, holders, caller, rounds, keys } = workerData as LeaseRace;
const leases = new LeaseTable(table);
const words = new Int32Array(holders);
let taken = 0;
let together = 0;
for (let round = 0; round < rounds; round++) {
  const key = (round * 7 + caller) % keys;
  const lease = leases.take({ set: 3, tag: key + 1 }, caller, 0, 1_000);
  if (!lease.taken) continue;
  taken++;
  if (Atomics.add(words, key, 1) !== 0) together++;
  Atomics.sub(words, key, 1);
  leases.giveUp(lease);
}
parentPort!.postMessage({ taken, together });
