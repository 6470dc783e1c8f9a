import type { Call, Command } from '../command.js';
import { unknownSubcommand, wrongArity } from '../errors.js';

type Handler = Command['handler'];

/** A command that looks at the second word. Arity as in the table: both words count. */
export function subcommands(
  name: string,
  rows: Readonly<Record<string, readonly [arity: number, handler: Handler]>>,
): Required<Pick<Command, 'refusal' | 'handler'>> {
  const table = new Map(Object.entries(rows));
  const wordOf = (args: readonly Buffer[]): string => args[1]!.toString('latin1').toLowerCase();
  return {
    refusal(args) {
      const word = wordOf(args);
      const row = table.get(word);
      if (row === undefined)
        return word === 'help' && args.length === 2 ? undefined : unknownSubcommand(name, args[1]!);
      const [arity] = row;
      const fits = arity > 0 ? args.length === arity : args.length >= -arity;
      return fits ? undefined : wrongArity(`${name}|${word}`);
    },
    handler(call) {
      const [, handler] = table.get(wordOf(call.args)) ?? [2, help];
      return handler(call);
    },
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
