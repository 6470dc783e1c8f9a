import { ReplyError, syntaxError } from './errors.js';

export interface SetOptions {
  /** Only if there is a value (true), or none (false). */
  readonly exists: boolean | undefined;
  readonly get: boolean;
}

/** What follows `SET key value`. @throws ReplyError */
export function readSetOptions(args: readonly Buffer[]): SetOptions {
  let exists: boolean | undefined;
  let get = false;
  let lifetime: string | undefined;
  for (let i = 3; i < args.length; i++) {
    const word = args[i]!.toString('latin1').toLowerCase();
    switch (word) {
      case 'nx':
      case 'xx':
        if (exists !== undefined && exists !== (word === 'xx')) throw syntaxError();
        exists = word === 'xx';
        break;
      case 'get':
        get = true;
        break;
      case 'keepttl':
      case 'ex':
      case 'px':
      case 'exat':
      case 'pxat':
        if (lifetime !== undefined) throw syntaxError();
        lifetime = word;
        if (word !== 'keepttl' && ++i === args.length) throw syntaxError();
        break;
      default:
        throw syntaxError();
    }
  }
  if (lifetime !== undefined && lifetime !== 'keepttl') throw new ReplyError(NO_LIFETIMES);
  return { exists, get };
}

export const NO_LIFETIMES = 'ERR this store keeps values without a time to live';
