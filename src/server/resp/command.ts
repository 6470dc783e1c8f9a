import type { Keyspace } from './keyspace.js';
import type { ReplyWriter } from './reply-writer.js';
import type { RespServer } from './server.js';
import type { Session } from './session.js';

/** Redis' own words. */
export type Flag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'noscript'
  | 'loading'
  | 'stale'
  | 'fast'
  | 'no_auth'
  | 'no_multi'
  | 'allow_busy';

export type Group = 'connection' | 'generic' | 'server' | 'string' | 'transactions' | 'versions';

/** A row of the command table: `COMMAND`, the docs page and the errors derive from it. */
export interface Command {
  /** In lower case. */
  readonly name: string;
  /** Words of a request, the name included; negative: at least so many. */
  readonly arity: number;
  readonly flags: readonly Flag[];
  /** Where keys stand: first, last (negative from the end), step; all 0 without keys. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly group: Group;
  /** The arguments as the docs write them. */
  readonly usage: string;
  readonly summary: string;
  /** In Redis since this version; here alone without one. */
  readonly since?: string;
  /** What is other than in Redis. */
  readonly note?: string;
  /** Executed at once while a transaction is open. */
  readonly immediate?: true;
  /** What is wrong with its arguments besides their number, as the error says it: known before it is executed, or queued. */
  readonly refusal?: (args: readonly Buffer[]) => string | undefined;
  /** Writes exactly one reply, or throws; a handler that waits writes it at its end. */
  readonly handler: (call: Call) => Promise<void> | void;
}

/** One request. */
export interface Call {
  readonly session: Session;
  readonly server: RespServer;
  readonly command: Command;
  /** The command's name, then its arguments. */
  readonly args: readonly Buffer[];
  readonly reply: ReplyWriter;
  readonly keyspace: Keyspace;
  /** False within a transaction. */
  readonly mayBlock: boolean;
}

export const NO_KEYS = [0, 0, 0] as const;
export const ONE_KEY = [1, 1, 1] as const;
export const ALL_KEYS = [1, -1, 1] as const;
