import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { resolveSettings } from '../../src/config/resolve.js';

const repository = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
/** One instruction per line, without comments. */
const dockerfile = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n');
const all = (instruction: string): string[] =>
  dockerfile
    .filter((line) => line.startsWith(`${instruction} `))
    .map((line) => line.slice(instruction.length + 1));

describe('the Dockerfile', () => {
  test('copies what exists, and what .dockerignore lets through', () => {
    const sources = all('COPY')
      .filter((line) => !line.startsWith('--from='))
      .flatMap((line) => line.split(' ').slice(0, -1));
    const admitted = read('.dockerignore').match(/(?<=^!).+/gm)!;
    expect(sources.filter((path) => !existsSync(join(repository, path)))).toEqual([]);
    expect(sources.filter((path) => !admitted.includes(path.split('/')[0]!))).toEqual([]);
  });

  test('sets variables that the store knows; its doors need a token', () => {
    const pairs = all('ENV').flatMap((line) =>
      line.split(/ +/).map((pair) => pair.split('=') as [string, string]),
    );
    const { settings } = resolveSettings({}, Object.fromEntries(pairs));
    expect(settings).toMatchObject({
      data: '/data',
      http: { host: '0.0.0.0', port: 8098 },
      resp: { host: '0.0.0.0', port: 6398 },
      insecure: false,
    });
    expect(all('EXPOSE')).toEqual(['8098 6398']);
  });

  test('runs as a user without rights, who owns the volume', () => {
    const order = ['RUN install -d -o node -g node -m 0700 /data', 'USER node', 'VOLUME /data'];
    const last = dockerfile.findLastIndex((line) => line.startsWith('FROM '));
    expect(dockerfile.slice(last).filter((line) => order.includes(line))).toEqual(order);
  });
});

describe('the health check', () => {
  const servers: { close(): unknown }[] = [];
  afterAll(() => servers.forEach((server) => server.close()));

  async function serve(listener: RequestListener, tls?: { cert: string; key: string }): Promise<string> {
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `0.0.0.0:${(server.address() as AddressInfo).port}`;
  }

  /** Exit code and what it says. */
  const check = (env: Record<string, string>): Promise<[number, string]> =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['docker/health.js'],
        { cwd: repository, env },
        (_, __, stderr) => resolve([child.exitCode!, stderr.trim()]),
      );
    });
  const answer =
    (status: number): RequestListener =>
    (request, response) =>
      void response.writeHead(request.url === '/healthz' ? status : 404).end();

  test('follows /healthz', async () => {
    expect(await check({ RINGLET_HTTP: await serve(answer(200)) })).toEqual([0, '']);
    expect(await check({ RINGLET_HTTP: await serve(answer(503)) })).toEqual([1, '/healthz answers 503']);
  });

  test('speaks TLS where the store does', async () => {
    const tls = {
      cert: read('test/server/fixtures/tls-cert.pem'),
      key: read('test/server/fixtures/tls-key.pem'),
    };
    const RINGLET_HTTP = await serve(answer(200), tls);
    expect(await check({ RINGLET_HTTP, RINGLET_TLS_CERT: 'cert.pem' })).toEqual([0, '']);
    expect((await check({ RINGLET_HTTP }))[0]).toBe(1);
  });

  test('fails where nobody listens', async () => {
    const address = await serve(answer(200));
    const server = servers.pop()!;
    await new Promise((resolve) => {
      (server as ReturnType<typeof createServer>).close(resolve);
    });
    const [code, said] = await check({ RINGLET_HTTP: address });
    expect([code, said]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
  });
});
