import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';

/** Bytes that are no request: the client is told, and the connection is closed. */
export class ProtocolError extends Error {
  constructor(what: string) {
    super(`ERR Protocol error: ${what}`);
  }
}

/** What a command answers instead of a result; the text begins with Redis' word for the kind of error. */
export class ReplyError extends Error {}

export const SYNTAX = 'ERR syntax error';
export const NOT_AN_INTEGER = 'ERR value is not an integer or out of range';

export function syntaxError(): ReplyError {
  return new ReplyError(SYNTAX);
}
export function replyTooLong(): ReplyError {
  return new ReplyError(`ERR the reply has more than ${LIMITS.respReplyBytes} bytes`);
}
export function notAnInteger(): ReplyError {
  return new ReplyError(NOT_AN_INTEGER);
}

/**
 * The text of any error. Codes of the store follow the words that clients of Redis know: OOM and
 * MISCONF stand for a full store and a failed disk; else ERR.
 */
export function errorText(error: unknown, report: (error: unknown) => void): string {
  if (error instanceof ReplyError || error instanceof ProtocolError) return error.message;
  if (!(error instanceof RingletError)) {
    report(error);
    return 'ERR INTERNAL: an unexpected fault; the log of the store has more';
  }
  if (error.code === 'INTERNAL') report(error);
  const maybe = error.maybeApplied ? '; it may have been applied' : '';
  return `${WORDS[error.code] ?? 'ERR'} ${error.code}: ${error.message}${maybe}`;
}

const WORDS: Readonly<Record<string, string>> = {
  STORE_FULL: 'OOM',
  READ_ONLY: 'MISCONF',
  OVERLOADED: 'TRYAGAIN',
  QUORUM_NOT_MET: 'TRYAGAIN',
  CONDITION_UNAVAILABLE: 'TRYAGAIN',
};

/** Redis quotes what it did not know, shortened, without line ends. */
export function unknownCommand(args: readonly Buffer[]): string {
  const name = args[0]!.toString('latin1', 0, 128);
  let rest = '';
  for (let i = 1; i < args.length && rest.length < 128; i++) {
    rest += `'${args[i]!.toString('latin1', 0, 128 - rest.length)}' `;
  }
  return `ERR unknown command '${name}', with args beginning with: ${rest}`;
}

export function unknownSubcommand(name: string, sub: Buffer): string {
  return `ERR unknown subcommand '${sub.toString('latin1', 0, 128)}'. Try ${name.toUpperCase()} HELP.`;
}

export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}
