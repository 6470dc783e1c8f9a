import { isIP } from 'node:net';

/**
 * Parsers of single option values. Each takes what a flag or a variable (a string) or a JSON file
 * (any JSON value) gave, and returns undefined for whatever is not in its range; the caller knows
 * where the value came from and writes the error.
 */

export interface HostPort {
  /** Name or address, an IPv6 address without its brackets. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export type Capacities = Readonly<Record<string, number>>;

export function wholeNumber(min: number, max: number): (given: unknown) => number | undefined {
  return (given) => {
    const value = typeof given === 'string' && /^\d{1,15}$/.test(given) ? Number(given) : given;
    return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : undefined;
  };
}

export function offOr<T>(
  parse: (given: unknown) => T | undefined,
): (given: unknown) => T | 'off' | undefined {
  return (given) => (given === 'off' ? given : parse(given));
}

export function powerOfTwo(max: number): (given: unknown) => number | undefined {
  const parse = wholeNumber(1, max);
  return (given) => {
    const value = parse(given);
    return value !== undefined && (value & (value - 1)) === 0 ? value : undefined;
  };
}

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1 << 10, MiB: 1 << 20 };

/** A number of bytes: 65536, "65536", "64KiB" or "1 MiB". */
export function byteSize(min: number, max: number): (given: unknown) => number | undefined {
  const parse = wholeNumber(min, max);
  return (given) => {
    const match = typeof given === 'string' ? /^(\d{1,12}) ?(B|KiB|MiB)$/.exec(given) : null;
    return parse(match === null ? given : Number(match[1]) * UNITS[match[2]!]!);
  };
}

export function oneOf<const T extends string>(words: readonly T[]): (given: unknown) => T | undefined {
  return (given) => words.find((word) => word === given);
}

export function trueOrFalse(given: unknown): boolean | undefined {
  if (given === true || given === 'true') return true;
  return given === false || given === 'false' ? false : undefined;
}

/** A path; a NUL would only be refused later, by the file system and with a worse message. */
export function path(given: unknown): string | undefined {
  return typeof given === 'string' && given !== '' && !given.includes('\0') ? given : undefined;
}

const HOST_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;

/** "HOST:PORT", an IPv6 address in brackets. */
export function hostPort(given: unknown): HostPort | undefined {
  if (typeof given !== 'string') return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(given);
  if (match === null) return undefined;
  const port = Number(match[3]);
  const host = match[1] ?? match[2]!;
  const known = match[1] === undefined ? isIP(host) === 4 || HOST_NAME.test(host) : isIP(host) === 6;
  return known && port <= 65_535 ? { host, port } : undefined;
}

export function printHostPort({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** "n1=2,n3=4", or `{ "n1": 2, "n3": 4 }` in a file. Which nodes exist is checked later. */
export function capacities(max: number): (given: unknown) => Capacities | undefined {
  const parse = wholeNumber(1, max);
  return (given) => {
    const pairs = capacityPairs(given);
    if (pairs === undefined) return undefined;
    const result: Record<string, number> = {};
    for (const [id, given_] of pairs) {
      const capacity = parse(given_);
      if (!/^n[1-9]\d{0,3}$/.test(id) || capacity === undefined || id in result) return undefined;
      result[id] = capacity;
    }
    return Object.freeze(result);
  };
}

function capacityPairs(given: unknown): [string, unknown][] | undefined {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    const pairs = Object.entries(given);
    // As in open(), where text is no number.
    return pairs.every(([, capacity]) => typeof capacity === 'number') ? pairs : undefined;
  }
  if (typeof given !== 'string') return undefined;
  return given.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, Math.max(at, 0)).trim(), pair.slice(at + 1).trim()];
  });
}
