import type { Command } from 'commander';
import { oneLine } from './failure.js';
import { jsonLine, print, siblingOutput, targetCommand, withTarget, withExamples } from './key-command.js';

/** `ringlet get KEY`: the bytes of the value, and nothing else, on stdout. */
export function getCommand(): Command {
  const command = targetCommand('get', 'print the value of a key; exit code 1 when there is none').argument(
    '<KEY>',
  );
  return withExamples(
    command,
    'ringlet get greeting',
    'ringlet get logo --bucket images > logo.png',
    'ringlet get cart --json',
  ).action(async (key: string, { bucket, json }: { bucket: string; json?: true }, command: Command) => {
    const { siblings, context, degraded } = await withTarget(command, { creates: false }, (target) =>
      target.get(bucket, key),
    );
    if (json === true) {
      const found = siblings.length > 0;
      await print(jsonLine({ key, found, context, degraded, siblings: siblings.map(siblingOutput) }));
      if (!found) process.exitCode = 1;
      return;
    }
    const [only, ...others] = siblings;
    if (only === undefined || others.length > 0) {
      process.exitCode = 1;
      console.error(
        oneLine(
          only === undefined ? missing(key, bucket, context, degraded) : conflicting(key, siblings.length),
        ),
      );
      return;
    }
    await print(only.value);
    if (process.stdout.isTTY && only.value.at(-1) !== 0x0a) await print('\n');
  });
}

function missing(key: string, bucket: string, context: string | undefined, degraded: boolean): string {
  const why = context === undefined ? 'was never written' : 'was deleted';
  const doubt = degraded ? ', as far as is known: too few of its owners answered' : '';
  return `ringlet: NOT_FOUND: key "${key}" ${why} in bucket ${bucket}${doubt}`;
}

/** Not an error of the store: the application has to choose, and a script must not take one by chance. */
function conflicting(key: string, count: number): string {
  const remedy = 'see them with --json; a put supersedes them all';
  return `ringlet: SIBLINGS: key "${key}" has ${count} concurrent values (${remedy})`;
}
