import type { Command } from 'commander';
import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { print, targetCommand, withTarget, withExamples } from './key-command.js';
import type { Target } from './target.js';

interface PutFlags {
  readonly bucket: string;
  readonly json?: true;
  readonly contentType?: string;
  readonly context?: string;
  readonly ifAbsent?: true;
  readonly concurrent?: true;
}

/** `ringlet put KEY VALUE`, or `-` for standard input. */
export function putCommand(): Command {
  const command = targetCommand('put', 'write a value; it supersedes what a get sees now')
    .argument('<KEY>')
    .argument('<VALUE>', 'the value, or - to read it from standard input')
    .option(
      '--content-type <TYPE>',
      'default: text/plain;charset=utf-8, application/octet-stream for standard input',
    )
    .option('--context <CONTEXT>', 'supersede what this context has seen (from get --json)')
    .option('--if-absent', 'write only if the key holds no value')
    .option('--concurrent', 'do not read first: where the key has a value, both become siblings');
  return withExamples(
    command,
    'ringlet put greeting hello',
    'ringlet put logo - --bucket images --content-type image/png < logo.png',
    'ringlet put lock me --if-absent',
  ).action(async (key: string, value: string, flags: PutFlags, command: Command) => {
    if (flags.context !== undefined && flags.concurrent === true) {
      throw new RingletError('USAGE', 'concurrent (flag --concurrent): expected without --context', {
        option: 'concurrent',
      });
    }
    const fromStdin = value === '-';
    const bytes = fromStdin ? await readStdin() : Buffer.from(value);
    const fallbackType = fromStdin ? 'application/octet-stream' : 'text/plain;charset=utf-8';
    const context = await withTarget(command, { creates: true }, async (target) => {
      const superseded = flags.context ?? (await seenNow(target, key, flags));
      return target.put(flags.bucket, key, bytes, {
        contentType: flags.contentType ?? fallbackType,
        ...(superseded === undefined ? {} : { context: superseded }),
        ...(flags.ifAbsent === true ? { ifAbsent: true } : {}),
      });
    });
    if (flags.json === true) await print(`${JSON.stringify({ key, context })}\n`);
  });
}

async function seenNow(target: Target, key: string, flags: PutFlags): Promise<string | undefined> {
  return flags.concurrent === true ? undefined : (await target.get(flags.bucket, key)).context;
}

async function readStdin(): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of process.stdin as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > LIMITS.maxValueBytes) {
      const message = `standard input is longer than the largest value that can be configured (${LIMITS.maxValueBytes} bytes)`;
      throw new RingletError('VALUE_TOO_LARGE', message, { limit: LIMITS.maxValueBytes });
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}
