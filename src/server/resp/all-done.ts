import { RingletError } from '../../base/errors.js';

/**
 * What a command does with several keys, to the end of all, also where one fails: what the client sends next
 * must not meet what it sent before.
 *
 * @throws the first failure; of several keys it says how many failed
 */
export async function allDone<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results: T[] = [];
  const failures: unknown[] = [];
  for (const outcome of await Promise.allSettled(work)) {
    if (outcome.status === 'fulfilled') results.push(outcome.value);
    else failures.push(outcome.reason);
  }
  const [first] = failures;
  if (failures.length === 0) return results;
  if (work.length === 1 || !(first instanceof RingletError)) throw first;
  const maybeApplied = failures.some((one) => one instanceof RingletError && one.maybeApplied);
  const message = `${failures.length} of ${work.length} keys failed: ${first.message}`;
  throw new RingletError(first.code, message, first.details, { maybeApplied, cause: first });
}
