import { RingletError } from '../base/errors.js';
import type { Connection } from './connection.js';
import type { ScanPage, ScanTask } from './request.js';
import { offAbort, onAbort } from './signals.js';

/** What is wanted of one virtual node. */
export type WantedScanPage = Omit<ScanTask, 'kind' | 'startedMs' | 'deadlineMs' | 'done'> & {
  readonly timeoutMs: number;
};

/**
 * One page of a virtual node's records.
 *
 * @param aborted what it rejects with as soon as the signal fires
 * @throws RingletError CLOSED, TIMEOUT, OVERLOADED; what `aborted` makes
 */
export function askPage(
  connection: Connection,
  { timeoutMs, ...wanted }: WantedScanPage,
  signal: AbortSignal | undefined,
  aborted: () => RingletError,
): Promise<ScanPage | 'elsewhere'> {
  const startedMs = connection.clock.nowMs();
  return new Promise((resolve, reject) => {
    let slot = -1;
    const abort = (): void => connection.machine.abort(slot, task, aborted);
    const task: ScanTask = {
      kind: 'scan',
      ...wanted,
      startedMs,
      deadlineMs: startedMs + timeoutMs,
      done: (outcome) => {
        if (signal !== undefined) offAbort(signal, abort);
        if (outcome instanceof RingletError) reject(outcome);
        else resolve(outcome);
      },
    };
    // Before it is sent: a refusal at once must find the listener to take it away again.
    if (signal !== undefined) onAbort(signal, abort);
    try {
      slot = connection.submit(task);
    } catch (error) {
      if (signal !== undefined) offAbort(signal, abort);
      throw error;
    }
  });
}
