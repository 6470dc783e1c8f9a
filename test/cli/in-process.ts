import { Readable } from 'node:stream';
import { vi } from 'vitest';
import { main } from '../../src/main.js';
import type { Finished, SpawnOptions } from './spawn.js';

/** What no process could be given. */
interface Here {
  /** Instead of a text. */
  readonly input?: Readable;
  /** Every write to standard output fails so. */
  readonly refused?: NodeJS.ErrnoException;
}

/**
 * A command as `run` of spawn.ts has it, without a process of its own, whose start takes ten times as long as
 * most commands. One at a time; nothing that ends by a signal.
 */
export async function runHere(
  args: readonly string[],
  { cwd, env = {}, stdin = '' }: Omit<SpawnOptions, 'nodeFlags'> = {},
  { input = Readable.from([Buffer.from(stdin)]), refused }: Here = {},
): Promise<Finished> {
  const before = { cwd: process.cwd(), env: process.env, stdin: process.stdin };
  const said = { stdout: '', stderr: '' };
  const take = (to: keyof typeof said) => {
    const write = (part: Uint8Array | string, ...rest: unknown[]): boolean => {
      said[to] += typeof part === 'string' ? part : Buffer.from(part).toString();
      const error = to === 'stdout' ? refused : undefined;
      for (const done of rest) if (typeof done === 'function') done(error);
      if (error !== undefined) process.stdout.emit('error', error);
      return true;
    };
    return write;
  };
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(take('stdout')),
    vi.spyOn(process.stderr, 'write').mockImplementation(take('stderr')),
    vi.spyOn(console, 'log').mockImplementation((line) => void (said.stdout += `${String(line)}\n`)),
    vi.spyOn(console, 'error').mockImplementation((line) => void (said.stderr += `${String(line)}\n`)),
  ];
  const streams = [process.stdout, process.stderr].map((stream) => ({
    stream,
    listeners: stream.listeners('error'),
  }));
  if (cwd !== undefined) process.chdir(cwd);
  process.env = { ...before.env, ...env };
  Object.defineProperty(process, 'stdin', { configurable: true, value: input });
  try {
    await main(['node', 'ringlet', ...args]);
    return { code: Number(process.exitCode ?? 0), signal: null, ...said };
  } finally {
    for (const spy of spies) spy.mockRestore();
    for (const { stream, listeners } of streams)
      for (const listener of stream.listeners('error'))
        if (!listeners.includes(listener)) stream.off('error', listener as () => void);
    process.exitCode = 0;
    process.env = before.env;
    process.chdir(before.cwd);
    Object.defineProperty(process, 'stdin', { configurable: true, value: before.stdin });
  }
}
