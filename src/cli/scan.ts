import type { Command } from 'commander';
import { RingletError } from '../base/errors.js';
import {
  bytesJson,
  jsonLine,
  keyText,
  print,
  siblingOutput,
  targetCommand,
  withTarget,
  withExamples,
} from './key-command.js';

const LINE_END = Buffer.from('\n');

interface ScanFlags {
  readonly bucket: string;
  readonly json?: true;
  readonly prefix?: string;
  readonly limit?: number;
}

const NOTES = `
Without --json a key is a line. On a terminal its control characters, and bytes that are no UTF-8, are shown
as \\x1b; a file or another program gets the bytes of the key as they are.`;

/** `ringlet scan`: keys, one per line; with --json everything about them. */
export function scanCommand(): Command {
  const command = targetCommand('scan', 'list the keys of a bucket, in no meaningful order')
    .option('--prefix <PREFIX>', 'only keys that begin with this')
    .option('--limit <COUNT>', 'at most so many', parseLimit)
    .addHelpText('after', NOTES);
  return withExamples(
    command,
    'ringlet scan --bucket cities --prefix CH/ --limit 10',
    'ringlet scan --json',
  ).action(async ({ bucket, json, prefix, limit }: ScanFlags, command: Command) => {
    const options = {
      values: json === true,
      ...(prefix === undefined ? {} : { prefix }),
      ...(limit === undefined ? {} : { limit }),
    };
    await withTarget(command, { creates: false }, async (target) => {
      for await (const { key, siblings, context } of target.list(bucket, options)) {
        if (json === true) {
          const line = { ...bytesJson('key', key), context, siblings: siblings.map(siblingOutput) };
          await print(jsonLine(line));
        } else {
          await print(process.stdout.isTTY ? `${keyText(key)}\n` : Buffer.concat([key, LINE_END]));
        }
      }
    });
  });
}

function parseLimit(given: string): number {
  const value = /^\d{1,15}$/.test(given) ? Number(given) : 0;
  if (value >= 1) return value;
  const expected = 'a whole number, 1 or more';
  throw new RingletError('USAGE', `limit (flag --limit): got "${given}", expected ${expected}`, {
    option: 'limit',
    given,
    expected,
  });
}
