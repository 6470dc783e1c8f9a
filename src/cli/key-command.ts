import { Command, Option } from 'commander';
import { RingletError } from '../base/errors.js';
import type { Sibling } from '../client/api.js';
import { printable, ReaderGone } from './failure.js';
import { addStoreOptions } from './store-options.js';
import { openTarget, type Target } from './target.js';

/** What get, put, delete, scan, load and export have in common: where the store is, and which bucket. */
export function targetCommand(name: string, description: string): Command {
  return storeCommand(name, description, [new Option('--bucket <NAME>', 'bucket').default('default')]);
}

/** A command about a store that runs, or that it opens itself. */
export function storeCommand(name: string, description: string, options: readonly Option[] = []): Command {
  const command = new Command(name).description(description);
  for (const option of options) command.addOption(option);
  command.addOption(
    new Option('--url <URL>', 'a running store; default: the one that runs in the data directory'),
  );
  command.addOption(new Option('--json', 'machine-readable output'));
  addStoreOptions(command, 'Where no store runs, the command opens the data directory itself, with:', [
    'http',
    'resp',
    'respFlush',
    'ioThreads',
    'allowFaults',
    'admin',
    'insecure',
    'tlsKey',
  ]);
  return command;
}

/** Lines behind a command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const heading = examples.length === 1 ? 'Example' : 'Examples';
  return command.addHelpText('after', `\n${heading}:\n  ${examples.join('\n  ')}`);
}

/** Runs with a target that is closed whatever happens. */
export async function withTarget<T>(
  command: Command,
  { creates }: { creates: boolean },
  run: (target: Target) => Promise<T>,
): Promise<T> {
  const target = await openTarget(command, creates);
  try {
    return await run(target);
  } finally {
    await target.close();
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `{ [name]: text }`, or `{ [name]Base64: … }` for bytes that are no UTF-8. */
export function bytesJson(name: string, bytes: Uint8Array): Record<string, string> {
  try {
    return { [name]: utf8.decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString('base64') };
  }
}

/** A key as people see it: what is no UTF-8, and what a terminal would obey, as hexadecimal digits. */
export function keyText(key: Uint8Array): string {
  try {
    return printable(utf8.decode(key));
  } catch {
    return Array.from(key, (byte) =>
      byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    ).join('');
  }
}

export function siblingOutput({ value, contentType, modifiedAtMs, expiresAtMs }: Sibling): object {
  return {
    ...bytesJson('value', value),
    contentType,
    modifiedAt: new Date(modifiedAtMs).toISOString(),
    ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
}

/** JSON leaves the control characters from 0x7f on as they are; a terminal would obey them. */
export function jsonLine(value: object): string {
  const escaped = (control: string): string => `\\u00${control.charCodeAt(0).toString(16)}`;
  return `${JSON.stringify(value).replaceAll(/[\x7f-\x9f]/g, escaped)}\n`;
}

function unwritten(cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'EPIPE') return new ReaderGone('nobody reads standard output', { cause });
  return new RingletError('IO', `cannot write to standard output (${cause.message})`, {}, { cause });
}

/**
 * Resolves when the reader has taken it: a pipe that is slow holds up the command, one that is closed ends it,
 * after what is open is closed.
 *
 * @throws ReaderGone, RingletError IO
 */
export function print(content: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(content, (error) => (error ? reject(unwritten(error)) : resolve()));
  });
}
