import type { Call } from '../command.js';
import { ReplyError, unknownSubcommand, wrongArity } from '../errors.js';

type Handler = (call: Call) => Promise<void> | void;

/** A handler that looks at the second word. Arity as in the table: both words count. */
export function subcommands(
  name: string,
  rows: Readonly<Record<string, readonly [arity: number, handler: Handler]>>,
): Handler {
  const table = new Map(Object.entries(rows));
  return (call) => {
    const { args } = call;
    const word = args[1]!.toString('latin1').toLowerCase();
    const row = table.get(word);
    if (row === undefined) throw new ReplyError(unknownSubcommand(name, args[1]!));
    const [arity, handler] = row;
    if (arity > 0 ? args.length !== arity : args.length < -arity) {
      throw new ReplyError(wrongArity(`${name}|${word}`));
    }
    return handler(call);
  };
}
