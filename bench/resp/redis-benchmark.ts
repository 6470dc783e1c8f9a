import { execFile } from 'node:child_process';
import { connect } from 'node:net';
import { promisify } from 'node:util';

export const COMMANDS = ['SET', 'GET'] as const;
export type Command = (typeof COMMANDS)[number];

export interface Shot {
  readonly port: number;
  readonly command: Command;
  readonly connections: number;
  /** Requests that a connection sends before it waits for their replies. */
  readonly pipeline: number;
  readonly requests: number;
  readonly keys: number;
  readonly valueBytes: number;
}

export interface ShotReport {
  readonly perSecond: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
}

/** A server that has died would be waited for without end. */
const LONGEST_MS = 60_000;
const run = promisify(execFile);

/** Why it cannot run here, or null. */
export async function redisBenchmarkProblem(): Promise<string | null> {
  try {
    await run('redis-benchmark', ['--version']);
    return null;
  } catch {
    return 'redis-benchmark is not on the PATH; install the package redis-tools';
  }
}

export async function redisBenchmark(shot: Shot): Promise<ShotReport> {
  const given = {
    '-p': shot.port,
    '-t': shot.command.toLowerCase(),
    '-c': shot.connections,
    '-P': shot.pipeline,
    '-n': shot.requests,
    '-r': shot.keys,
    '-d': shot.valueBytes,
  };
  const options = Object.entries(given).flatMap(([flag, value]) => [flag, String(value)]);
  const limits = { timeout: LONGEST_MS, killSignal: 'SIGKILL' } as const;
  const { stdout } = await run('redis-benchmark', ['-h', '127.0.0.1', ...options, '--csv'], limits);
  return readCsv(stdout);
}

/** A head, and a row of the command, its rate, and milliseconds: mean, minimum, p50, p95, p99, maximum. @throws Error for anything else */
export function readCsv(text: string): ShotReport {
  const cells = text
    .trim()
    .split('\n')
    .at(-1)!
    .split(',')
    .map((cell) => Number(cell.replaceAll('"', '')));
  const [perSecond, meanMs, , p50Ms, , p99Ms, maxMs] = cells.slice(1);
  const figures = [perSecond, meanMs, p50Ms, p99Ms, maxMs];
  if (cells.length !== 8 || figures.some((figure) => !Number.isFinite(figure))) {
    throw new Error(`redis-benchmark printed ${JSON.stringify(text.slice(-300))}`);
  }
  const us = (ms: number | undefined): number => Math.round(ms! * 1_000);
  return {
    perSecond: perSecond!,
    meanUs: us(meanMs),
    p50Us: us(p50Ms),
    p99Us: us(p99Ms),
    maxUs: us(maxMs),
  };
}

const OK_BYTES = 5;
const FILL_PIPELINE = 500;

/** Writes every key that redis-benchmark may ask for: by chance it would leave some out. */
export async function fill(port: number, keys: number, valueBytes: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  let answered = 0;
  let sent = 0;
  const value = 'x'.repeat(valueBytes);
  const send = (): void => {
    const end = Math.min(keys, sent + FILL_PIPELINE);
    let text = '';
    for (; sent < end; sent++) {
      text += `*3\r\n$3\r\nSET\r\n$16\r\nkey:${String(sent).padStart(12, '0')}\r\n$${valueBytes}\r\n${value}\r\n`;
    }
    socket.write(text);
  };
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the server has closed the connection that fills it')));
    socket.on('data', (chunk) => {
      answered += chunk.length;
      if (chunk.includes('-')) reject(new Error(`SET failed: ${chunk.toString('latin1', 0, 200)}`));
      else if (answered === keys * OK_BYTES) resolve();
      else if (answered === sent * OK_BYTES) send();
    });
    send();
  }).finally(() => socket.destroy());
}
