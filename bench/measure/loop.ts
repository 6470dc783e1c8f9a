/** What one calling thread measured in one step; plain data, so that it crosses threads and processes. */
export interface LoopReport {
  readonly operations: readonly OperationReport[];
  /** When the measured window began, after the warm-up, on the shared clock. */
  readonly fromMs: number;
  /** Length of the measured window, without warm-up. */
  readonly seconds: number;
  /** Share of the window in which the caller's event loop was busy. */
  readonly eventLoopUtilisation: number;
  /** Open loop only: how late requests were sent (HDR, base64, nanoseconds). */
  readonly lateness: string | null;
  /** Open loop only: requests of the schedule that had no answer when the step was given up. */
  readonly unfinished: number;
}

export type Operation = 'get' | 'put';
/** `rmw`: a get and then a put of the same key, timed as one. */
export type MeasuredOperation = Operation | 'rmw';
export const OPERATIONS: readonly MeasuredOperation[] = ['get', 'put', 'rmw'];

export interface OperationReport {
  readonly op: MeasuredOperation;
  readonly completed: number;
  readonly failed: number;
  readonly opsPerSecond: number;
  /** HDR, base64, nanoseconds. */
  readonly histogram: string;
  /** Where the window was cut into bins: the histogram of the requests that were due in each. */
  readonly bins?: readonly string[];
}
