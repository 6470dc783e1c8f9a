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

/** A busy loop that ends: no message is handled meanwhile, and no completion let in. */
export function hangFor(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}
