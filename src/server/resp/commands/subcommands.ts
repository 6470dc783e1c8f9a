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
    if (word === 'help' && args.length === 2) return help(call);
    if (row === undefined) throw new ReplyError(unknownSubcommand(name, args[1]!));
    const [arity, handler] = row;
    if (arity > 0 ? args.length !== arity : args.length < -arity) {
      throw new ReplyError(wrongArity(`${name}|${word}`));
    }
    return handler(call);
  };
}

/** In the form of Redis, from the command's row. */
function help({ command: { name, usage }, reply }: Call): void {
  const lines = usage
    .replace(/^\[(.*)\]$/, '$1')
    .replaceAll('…', '...')
    .split(' | ');
  reply.array(lines.length + 3);
  reply.text(`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const line of lines) reply.text(line);
  reply.text('HELP');
  reply.text('    Print this help.');
}
