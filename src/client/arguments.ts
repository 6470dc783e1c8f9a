import { RingletError, shown } from '../base/errors.js';
import type { RequestOptions } from './api.js';
import { checkKnown, type KnownOptions } from './known-options.js';

/**
 * What callers give whom no compiler checks: a wrong type is refused with BAD_REQUEST before anything
 * is sent, for what is taken in silently is found out when data is missing.
 */

/** @throws RingletError BAD_REQUEST */
export function checkObject(what: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return;
  throw new RingletError('BAD_REQUEST', `${what} are an object, not ${shown(value)}`, {
    type: value === null ? 'null' : typeof value,
  });
}

/** @throws RingletError BAD_REQUEST */
export function checkFlag(what: string, value: unknown): void {
  if (value === undefined || value === true || value === false) return;
  throw new RingletError('BAD_REQUEST', `${what} is true or false, not ${shown(value)}`, {
    got: shown(value),
  });
}

/** @throws RingletError BAD_REQUEST */
export function checkList(what: string, value: unknown): void {
  if (Array.isArray(value)) return;
  throw new RingletError('BAD_REQUEST', `${what} are an array, not ${shown(value)}`, { type: typeof value });
}

/** @throws RingletError BAD_REQUEST */
export function checkPath(what: string, value: unknown): asserts value is string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return;
  throw new RingletError('BAD_REQUEST', `${what}, not ${shown(value)}`, { got: shown(value) });
}

/** @throws RingletError BAD_REQUEST */
export function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  // There are signals of other realms.
  const isObject = typeof signal === 'object' && signal !== null;
  if (
    isObject &&
    'removeEventListener' in signal &&
    'aborted' in signal &&
    typeof signal.aborted === 'boolean'
  )
    return;
  throw new RingletError('BAD_REQUEST', `signal is an AbortSignal, not ${shown(signal)}`, {
    type: typeof signal,
  });
}

/** What all requests have in common, but for the time, which timeoutOf checks. @throws RingletError BAD_REQUEST */
export function checkRequest(options: RequestOptions, known: KnownOptions): void {
  checkObject('options', options);
  checkKnown(options, known);
  checkFlag('timeline', options.timeline);
  checkSignal(options.signal);
}

/**
 * Half a surrogate pair has no UTF-8: all keys with one would be the same, and a value would come back as
 * another one.
 *
 * @throws RingletError BAD_REQUEST
 */
export function checkText(what: 'key' | 'prefix' | 'value', text: string): void {
  if (text.isWellFormed()) return;
  const position = text.search(/\p{Surrogate}/u);
  throw new RingletError(
    'BAD_REQUEST',
    `a ${what} has half a surrogate pair at character ${position}, for which there is no UTF-8`,
    { position, characters: text.length },
  );
}

/** Bytes whose memory was transferred, or shrunk away, look like none at all. @throws RingletError BAD_REQUEST */
export function checkMemory(what: string, bytes: Uint8Array): void {
  if (bytes.length > 0) return;
  try {
    bytes.at(0);
  } catch {
    throw new RingletError('BAD_REQUEST', `the memory of ${what} was transferred or resized`, { bytes: 0 });
  }
}

/** @throws RingletError BAD_REQUEST */
export function checkResolvers(resolvers: unknown): void {
  checkObject('resolvers', resolvers);
  for (const [name, resolver] of Object.entries(resolvers as object)) {
    if (typeof resolver !== 'function')
      throw new RingletError('BAD_REQUEST', `the resolver ${shown(name)} is no function`, {
        resolver: shown(name),
      });
  }
}
