import { RingletError } from '../base/errors.js';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A parser of "500ms", "3s", "2m", "1h" for a flag, in milliseconds. The range is the store's to check. */
export function durationOf(flag: string): (given: string) => number {
  return (given) => {
    const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(given);
    if (match !== null) return Number(match[1]) * UNITS[match[2]!]!;
    throw misuse(flag, given, 'a time such as 500ms, 3s, 2m or 1h');
  };
}

/** A parser of "0.1" or "10%" for a flag, as a probability. */
export function probabilityOf(flag: string): (given: string) => number {
  return (given) => {
    const match = /^(\d{1,3}(?:\.\d{1,6})?)(%?)$/.exec(given);
    const value = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
    if (value >= 0 && value <= 1) return value;
    throw misuse(flag, given, 'a probability such as 0.1 or 10%');
  };
}

/** A parser of "0.1" or "10%" for a flag; more than all is said in percent, for a bare 10 was meant as 10 %. */
export function shareOf(flag: string): (given: string) => number {
  return (given) => {
    const match = /^(\d{1,6}(?:\.\d{1,6})?)(%?)$/.exec(given);
    const number = match === null ? Number.NaN : Number(match[1]);
    if (match?.[2] === '%') return number / 100;
    if (number <= 1) return number;
    throw misuse(flag, given, 'a share such as 0.1 or 10%');
  };
}

function misuse(flag: string, given: string, expected: string): RingletError {
  return new RingletError('USAGE', `${flag} (flag --${flag}): got "${given}", expected ${expected}`, {
    option: flag,
    given,
    expected,
  });
}
