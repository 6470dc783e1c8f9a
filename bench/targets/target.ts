import type { Workload, WorkloadValue } from '../measure/workload.js';

/**
 * A system under test as one calling thread sees it. `get` and `put` return what the system's own
 * call returns, so that no wrapper adds a promise to an operation of 1 µs; `valueBytes` looks into
 * a get's result.
 */
export interface Target {
  /** Calls that finish before they return: measured without `await`. */
  readonly synchronous: { readonly get: boolean; readonly put: boolean };
  get(key: string): unknown;
  put(key: string, value: WorkloadValue): unknown;
  /** Length of the value that a get found, -1 when it found none. */
  valueBytes(result: unknown): number;
  /** Writes every key of the workload once, by the system's fastest way. */
  writeAll(workload: Workload): Promise<void>;
  close(): Promise<void>;
}

export class MissingValueError extends Error {
  override readonly name = 'MissingValueError';
}

export function expectValue(target: Target, result: unknown, bytes: number): void {
  const found = target.valueBytes(result);
  if (found !== bytes) throw new MissingValueError(`a get found ${found} bytes instead of ${bytes}`);
}
