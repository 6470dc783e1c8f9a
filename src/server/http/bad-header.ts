import { RingletError } from '../../base/errors.js';

/** A header that cannot be what it says. */
export function badHeader(header: string, given: string, expected: string): RingletError {
  const short = given.slice(0, 100);
  return new RingletError('BAD_REQUEST', `header ${header}: got ${short}, expected ${expected}`, {
    header,
    given: short,
    expected,
  });
}
