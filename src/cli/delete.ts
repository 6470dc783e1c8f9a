import type { Command } from 'commander';
import { print, targetCommand, withTarget, withExamples } from './key-command.js';

interface DeleteFlags {
  readonly bucket: string;
  readonly json?: true;
  readonly context?: string;
}

/** `ringlet delete KEY`. A key that is not there is no error: afterwards it is gone in both cases. */
export function deleteCommand(): Command {
  const command = targetCommand('delete', 'delete a key: what a get sees now, or what a context has seen')
    .argument('<KEY>')
    .option('--context <CONTEXT>', 'delete only what this context has seen (from get --json)');
  return withExamples(
    command,
    'ringlet delete greeting',
    'ringlet delete CH/Bern/46.94809,7.44744 --bucket cities',
  ).action(async (key: string, flags: DeleteFlags, command: Command) => {
    const context = await withTarget(command, { creates: false }, async (target) => {
      const seen = flags.context ?? (await target.get(flags.bucket, key)).context;
      return target.delete(flags.bucket, key, seen === undefined ? {} : { context: seen });
    });
    if (flags.json === true) await print(`${JSON.stringify({ key, context })}\n`);
  });
}
