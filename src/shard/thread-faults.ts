import { join } from 'node:path';
import { damageJournal, damageRecords } from '../storage/damage-files.js';
import type { Engine } from '../storage/engine.js';
import { dataFileOf } from '../storage/data-files.js';

/**
 * Faults that a virtual node's thread does to itself when it is asked to. Only a thread whose task
 * says `faults` listens; nothing else in the store knows of them.
 */
export type ThreadFault =
  /** An exception, as of a bug. */
  | 'throw'
  /** `process.exit()` inside the thread. */
  | 'exit'
  /** Heap exhaustion; the host bounds the heap so that it comes soon. */
  | 'heap'
  /** A loop that never ends: no heartbeat any more. */
  | 'hang';

/** `loop`: between two polls. `put`: inside the next put, claimed but not yet appended. */
export type FaultPlace = 'loop' | 'put';

/** Never returns. */
export function commitFault(fault: ThreadFault): never {
  switch (fault) {
    case 'throw':
      throw new Error('an injected fault');
    case 'exit':
      process.exit(3);
      break;
    case 'heap': {
      const hoard: number[][] = [];
      for (;;) hoard.push(Array.from({ length: 4_096 }, (_, i) => i + 0.5));
    }
    // A `for` without end does not fall through.
    case 'hang':
      for (;;);
  }
}

/** So many records of the engine are damaged at once. */
const DAMAGED_RECORDS = 16;

/**
 * Damages bytes of a virtual node's own files in place: some records of the engine, spread over all
 * that it has, and the journal. Not LMDB's own structure, which it trusts: that would end the process.
 */
export function corruptFiles(directory: string, engine: Engine, partitions: number): void {
  const records: Uint8Array[] = [];
  const every = Math.max(1, Math.floor(engine.state.count / DAMAGED_RECORDS));
  let seen = 0;
  engine.walk({ partition: 0, bucket: 0, key: undefined }, partitions, (_, _bucket, _key, record) => {
    if (seen++ % every === 0) records.push(record.slice());
    return records.length < DAMAGED_RECORDS;
  });
  damageRecords(dataFileOf(join(directory, 'engine')), records);
  damageJournal(join(directory, 'journal'));
}

/** A busy loop that ends: no message is handled meanwhile, and no completion let in. */
export function hangFor(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
