import { aborted } from './located.js';
import { timeoutOf } from './outcomes.js';
import { offAbort, onAbort } from './signals.js';

/**
 * What has to be done before a request can be sent, for as long as the request may last: another thread
 * does it, and that one may be busy.
 *
 * @param tookMs since the request began
 * @throws RingletError TIMEOUT, ABORTED: the request was not executed
 */
export function inTime<T>(
  work: Promise<T>,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  tookMs: () => number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      if (signal !== undefined) offAbort(signal, abort);
    };
    const fail = (error: Error): void => {
      done();
      reject(error);
    };
    const abort = (): void => fail(aborted(false));
    const timer = setTimeout(
      () => fail(timeoutOf(tookMs(), ', since its bucket is not made yet; it was not executed', false)),
      timeoutMs,
    );
    if (signal !== undefined) onAbort(signal, abort);
    work.then((result) => {
      done();
      resolve(result);
    }, fail);
  });
}
