import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { sleep } from '../measure/clock.js';

/** Two servers that speak the same protocol. */
export type RedisCommand = 'redis-server' | 'valkey-server';
export type RedisPersistence = 'no-persistence' | 'append-everysec' | 'append-always';

export interface RedisServerOptions {
  readonly command: RedisCommand;
  readonly persistence: RedisPersistence;
  readonly directory: string;
}

const START_MS = 30_000;
const STOP_MS = 3_000;

/** A redis-server of our own on a free loopback port, ended by its own handle. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #kill = (): void => void this.#child.kill('SIGKILL');

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    process.once('exit', this.#kill);
  }

  static async start({ command, persistence, directory }: RedisServerOptions): Promise<RedisServer> {
    await mkdir(directory, { recursive: true });
    const port = await freePort();
    const fsync = persistence === 'append-always' ? 'always' : 'everysec';
    const log =
      persistence === 'no-persistence'
        ? ['--appendonly', 'no']
        : ['--appendonly', 'yes', '--appendfsync', fsync, '--auto-aof-rewrite-percentage', '0'];
    const child = spawn(
      command,
      ['--bind', '127.0.0.1', '--port', String(port), '--dir', directory, '--save', '', ...log],
      { stdio: 'ignore' },
    );
    const failed = new Promise<never>((_, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${command} ended with exit code ${code}`)));
    });
    failed.catch(() => undefined);
    const server = new RedisServer(child, port);
    await Promise.race([listening(port), failed]);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.removeListener('exit', this.#kill);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(this.#kill, STOP_MS);
    await exited;
    clearTimeout(timer);
  }
}

/** Why it cannot run here, or null. */
export async function redisProblem(command: RedisCommand = 'redis-server'): Promise<string | null> {
  const child = spawn(command, ['--version'], { stdio: 'ignore' });
  return await new Promise((resolve) => {
    child.once('error', () => resolve(`${command} is not on the PATH; install the package ${command}`));
    child.once('exit', (code) => resolve(code === 0 ? null : `${command} --version: exit code ${code}`));
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

async function listening(port: number): Promise<void> {
  const deadlineMs = Date.now() + START_MS;
  while (Date.now() < deadlineMs) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      return;
    } catch {
      await sleep(20);
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`the server did not listen on port ${port} within ${START_MS} ms`);
}
