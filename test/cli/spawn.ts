import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const BIN = fileURLToPath(new URL('../../bin/ringlet.cjs', import.meta.url));

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  readonly finished: Promise<Finished>;
  /** What has come on stdout so far. */
  stdout(): string;
  /** The first address of the line `ready http://… resp://…`, or of that in JSON; rejects when the process ends before. */
  readonly ready: Promise<string>;
}

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  /** Flags of node itself. */
  readonly nodeFlags?: readonly string[];
}

/** Starts bin/ringlet.cjs, which loads dist/: the build has to be there. */
export function start(
  args: readonly string[],
  { cwd, env, stdin, nodeFlags = [] }: SpawnOptions = {},
): Running {
  const child = spawn(process.execPath, [...nodeFlags, BIN, ...args], {
    cwd,
    // Tests run side by side: none takes the port that a user's store would have.
    env: { ...process.env, RINGLET_RESP: '127.0.0.1:0', ...env },
  });
  let stdout = '';
  let stderr = '';
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const ready = new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (data) => {
      stdout += String(data);
      const [, text, json] =
        /^(?:ready (https?:\/\/\S+)(?: resps?:\/\/\S+)?|\{"ready":\{"http":"([^"]+)".*)\n/m.exec(stdout) ??
        [];
      if (text !== undefined || json !== undefined) resolve((text ?? json)!);
    });
    void finished.then((end) => reject(new Error(`it ended with ${end.code}: ${end.stderr}`)));
  });
  ready.catch(() => undefined);
  child.stderr.on('data', (data) => (stderr += String(data)));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  return { child, finished, ready, stdout: () => stdout };
}

export function run(args: readonly string[], options?: SpawnOptions): Promise<Finished> {
  return start(args, options).finished;
}
