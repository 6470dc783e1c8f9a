import { syntaxError } from './errors.js';
import { type Unit, UNITS } from './lifetimes.js';

/** How long a value is to live: until a time that is given so, as long as the one before, or for ever. */
export type LifetimeOption =
  | { readonly unit: Unit; readonly number: Buffer }
  | 'keepttl'
  | 'persist'
  | undefined;

export interface SetOptions {
  /** Only if there is a value (true), or none (false). */
  readonly exists: boolean | undefined;
  readonly get: boolean;
  readonly lifetime: LifetimeOption;
}

/** What follows `SET key value`. @throws ReplyError */
export function readSetOptions(args: readonly Buffer[]): SetOptions {
  let exists: boolean | undefined;
  let get = false;
  const lifetime = readLifetime(args, 3, 'keepttl', (word) => {
    if (word === 'get') get = true;
    else if (word !== 'nx' && word !== 'xx') throw syntaxError();
    else if (exists !== undefined && exists !== (word === 'xx')) throw syntaxError();
    else exists = word === 'xx';
  });
  return { exists, get, lifetime };
}

/** What follows `GETEX key`. @throws ReplyError */
export function readGetexOptions(args: readonly Buffer[]): LifetimeOption {
  return readLifetime(args, 2, 'persist', () => {
    throw syntaxError();
  });
}

/** One kind of lifetime at most; of several of a kind the last counts, as in Redis. */
function readLifetime(
  args: readonly Buffer[],
  first: number,
  special: 'keepttl' | 'persist',
  otherwise: (word: string) => void,
): LifetimeOption {
  let kind: string | undefined;
  let lifetime: LifetimeOption;
  for (let i = first; i < args.length; i++) {
    const word = args[i]!.toString('latin1').toLowerCase();
    const unit = UNITS.get(word);
    if (unit === undefined && word !== special) {
      otherwise(word);
      continue;
    }
    if (kind !== undefined && kind !== word) throw syntaxError();
    kind = word;
    if (unit === undefined) {
      lifetime = special;
      continue;
    }
    const number = args[++i];
    if (number === undefined) throw syntaxError();
    lifetime = { unit, number };
  }
  return lifetime;
}
