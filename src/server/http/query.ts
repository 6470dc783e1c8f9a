import { DURABILITIES, type Durability } from '../../base/durability.js';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import type { Quorum } from '../../client/api.js';
import { percentDecode } from './address.js';

const QUORUM_WORDS = ['one', 'quorum', 'all', 'default'] as const;

const NOTHING: ReadonlyMap<string, Uint8Array> = new Map();

/**
 * The query of one request. A parameter that the route does not know is refused: a misspelt
 * `durability` must not pass for the default one.
 */
export class Query {
  readonly #values: ReadonlyMap<string, Uint8Array>;

  constructor(url: string, known: readonly string[]) {
    const at = url.indexOf('?');
    if (at === -1) {
      this.#values = NOTHING;
      return;
    }
    const values = new Map<string, Uint8Array>();
    for (const pair of url.slice(at + 1).split('&')) {
      if (pair === '') continue;
      // Forms and URLSearchParams write a space as a plus sign.
      const [name = '', ...rest] = pair.replaceAll('+', '%20').split('=');
      const key = Buffer.from(percentDecode(name, 'query')).toString();
      if (!known.includes(key))
        throw bad(key, key, known.length === 0 ? 'no query' : `one of ${known.join(', ')}`);
      if (values.has(key)) throw bad(key, pair, 'each parameter once');
      values.set(key, percentDecode(rest.join('='), key));
    }
    this.#values = values;
  }

  /** Nothing was given: everything is at its default. */
  get empty(): boolean {
    return this.#values.size === 0;
  }

  bytes(name: string): Uint8Array | undefined {
    return this.#values.get(name);
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value === undefined ? undefined : Buffer.from(value).toString();
  }

  flag(name: string): boolean {
    const given = this.text(name) ?? 'false';
    if (given !== 'true' && given !== 'false') throw bad(name, given, 'true or false');
    return given === 'true';
  }

  /** Undefined if it is not given: then something else decides. */
  optionalFlag(name: string): boolean | undefined {
    return this.#values.has(name) ? this.flag(name) : undefined;
  }

  wholeNumber(name: string, max: number): number | undefined {
    const given = this.text(name);
    if (given === undefined) return undefined;
    const value = /^\d{1,16}$/.test(given) ? Number(given) : 0;
    if (value < 1 || value > max) throw bad(name, given, `a whole number from 1 to ${max}`);
    return value;
  }

  /** That a number is at most the bucket's n is checked where n is known, in the store. */
  quorum(name: string): Quorum | undefined {
    const given = this.text(name);
    const word = QUORUM_WORDS.find((known) => known === given);
    if (given === undefined || word !== undefined) return word;
    const value = /^\d{1,3}$/.test(given) ? Number(given) : 0;
    if (value < 1) throw bad(name, given, `a number from 1 to n, or ${QUORUM_WORDS.join(', ')}`);
    return value;
  }

  durability(): Durability | undefined {
    const given = this.text('durability');
    const level = DURABILITIES.find((known) => known === given);
    if (given !== undefined && level === undefined) throw bad('durability', given, DURABILITIES.join(', '));
    return level;
  }

  /** Milliseconds, 0 for ever. */
  ttlMs(): number | undefined {
    return this.text('ttl') === '0' ? 0 : this.wholeNumber('ttl', LIMITS.maxTtlMs);
  }

  timeoutMs(): number | undefined {
    return this.wholeNumber('timeout', LIMITS.maxTimeoutMs);
  }
}

function bad(parameter: string, given: string, expected: string): RingletError {
  const short = given.slice(0, 100);
  return new RingletError(
    'BAD_REQUEST',
    `query parameter ${parameter.slice(0, 100)}: got "${short}", expected ${expected}`,
    {
      parameter: parameter.slice(0, 100),
      given: short,
      expected,
    },
  );
}

/** Leaves out what is undefined: an absent option and one that is undefined are not the same type. */
export function defined<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
