import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as tlsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { resolveSettings } from '../../src/config/resolve.js';
import { startHttp, type HttpOptions, type HttpServer } from '../../src/server/http/start.js';
import { accessOf } from '../../src/server/security/access.js';
import { Secret } from '../../src/server/security/secret.js';
import { FakeStore } from './fake-store.js';
import { expectProblem, KEY } from './harness.js';
import { send, type Answer } from './raw-client.js';

const TOKEN = 'a-token-that-nobody-guesses';
const CERTIFICATE = join(import.meta.dirname, 'fixtures', 'tls-cert.pem');
const PRIVATE_KEY = join(import.meta.dirname, 'fixtures', 'tls-key.pem');

const dir = mkdtempSync(join(tmpdir(), 'ringlet-access-'));
afterAll(() => rmSync(dir, { recursive: true }));

const servers: HttpServer[] = [];
afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())));

async function serve(options: Partial<HttpOptions>): Promise<HttpServer> {
  const listen = { host: '127.0.0.1', port: 0 };
  const http = await startHttp(new FakeStore(), { listen, valueBytes: 1_000, graceMs: 100, ...options });
  servers.push(http);
  return http;
}

function access(
  flags: Record<string, string | true>,
  env: Record<string, string> = {},
): ReturnType<typeof accessOf> {
  const { settings } = resolveSettings(flags, env);
  return accessOf(settings, env, { http: settings.http, admin: settings.admin });
}

function refusal(flags: Record<string, string | true>, env: Record<string, string> = {}): RingletError {
  try {
    access(flags, env);
  } catch (error) {
    expect(error).toBeInstanceOf(RingletError);
    expect((error as RingletError).code).toBe('USAGE');
    return error as RingletError;
  }
  throw new Error('that was accepted');
}

function file(name: string, content: string): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

describe('what a store may be told', () => {
  test.each([
    { http: '0.0.0.0:0' },
    { http: '[::]:0' },
    { http: '192.168.1.2:1' },
    { admin: '0.0.0.0:0' },
    { http: 'store.example:1' },
  ])('%j without a token is refused unless forced', (flags) => {
    expect(refusal(flags).message).toMatch(/--token-file.*--insecure/);
    expect(access({ ...flags, insecure: true })).toEqual({});
    expect(access(flags, { RINGLET_TOKEN: TOKEN }).secret?.matches(TOKEN)).toBe(true);
  });

  test.each(['127.0.0.1:0', '127.9.9.9:0', '[::1]:0', 'localhost:0', 'LOCALHOST:0'])(
    '%s needs none',
    (http) => {
      expect(access({ http })).toEqual({});
    },
  );

  test('a token is read from a file without its line end, which is stronger than the variable', () => {
    const { secret } = access({ tokenFile: file('token', `${TOKEN}\n`) }, { RINGLET_TOKEN: 'x'.repeat(20) });
    expect(secret?.matches(TOKEN)).toBe(true);
    expect(secret?.matches('x'.repeat(20))).toBe(false);
  });

  test.each(['short', '', 'with spaces in between', `${'x'.repeat(20)}\n\n`, 'ü'.repeat(20)])(
    'a file with %j is refused, and the error does not show it',
    (content) => {
      const { message, details } = refusal({ tokenFile: file('bad', content) });
      if (content !== '') expect(message + JSON.stringify(details)).not.toContain(content.trim());
    },
  );

  test('a missing token file is no reason to go on without a token', () => {
    expect(refusal({ tokenFile: join(dir, 'nothing') }).message).toContain('ENOENT');
  });

  test('TLS needs certificate and key, and that they belong together', () => {
    expect(refusal({ tlsCert: CERTIFICATE }).message).toContain('--tls-key');
    expect(refusal({ tlsKey: PRIVATE_KEY }).message).toContain('--tls-cert');
    expect(refusal({ tlsCert: PRIVATE_KEY, tlsKey: PRIVATE_KEY }).message).toContain('PEM');
    expect(access({ tlsCert: CERTIFICATE, tlsKey: PRIVATE_KEY }).tls).toBeDefined();
  });

  test('a secret cannot be printed, and matches itself only', () => {
    const secret = new Secret(TOKEN);
    expect(inspect(secret, { showHidden: true, depth: 9 }) + JSON.stringify(secret)).not.toContain(TOKEN);
    for (const other of ['', TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase()])
      expect(secret.matches(other)).toBe(false);
  });
});

describe('with a token', () => {
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;

  test.each([
    undefined,
    '',
    'Bearer',
    'Bearer wrong',
    `Bearer ${TOKEN}x`,
    `Bearer x ${TOKEN}`,
    `Digest ${TOKEN}`,
    TOKEN,
    basic(`user:${TOKEN}x`),
    'Basic !',
  ])('Authorization: %s is 401 with a challenge', async (Authorization) => {
    const { address } = await serve({ access: { secret: new Secret(TOKEN) } });
    const headers = Authorization === undefined ? {} : { Authorization };
    for (const path of [KEY, '/buckets', '/ring', '/stats', '/admin/faults', '/nothing', '/healthz/x']) {
      const answer = await send(address, path, { headers });
      expectProblem(answer, 401, 'UNAUTHORIZED');
      expect(answer.headers['www-authenticate']).toMatch(/^Basic .*, Bearer /);
      expect(answer.text).not.toContain(TOKEN);
    }
  });

  test.each([`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, basic(`anybody:${TOKEN}`), basic(`:${TOKEN}`)])(
    'Authorization: %s is served',
    async (Authorization) => {
      const { address } = await serve({ access: { secret: new Secret(TOKEN) } });
      expect(
        (await send(address, KEY, { method: 'PUT', body: 'x', headers: { Authorization } })).status,
      ).toBe(204);
      expect((await send(address, KEY, { headers: { Authorization } })).text).toBe('x');
    },
  );

  test('whether it serves is answered to everybody', async () => {
    const { address } = await serve({ access: { secret: new Secret(TOKEN) } });
    expect((await send(address, '/healthz')).status).toBe(200);
  });

  test('of a body that nobody may send nothing is read: the connection ends', async () => {
    const { address } = await serve({ access: { secret: new Secret(TOKEN) } });
    const answer = await new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(Number(new URL(address).port), '127.0.0.1', () => {
        socket.write(
          `PUT ${KEY} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
        );
      });
      socket.on('data', (data) => (text += String(data)));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 401 .*\r\nconnection: close\r\n/is);
  });
});

test('the browser says that another site asks: a write is refused without an Origin too', async () => {
  const { address } = await serve({});
  const write = (site: string): Promise<Answer> =>
    send(address, KEY, { method: 'PUT', body: 'x', headers: { 'Sec-Fetch-Site': site } });
  expectProblem(await write('cross-site'), 403, 'HOST_NOT_ALLOWED');
  expect((await write('same-origin')).status).toBe(204);
});

test('of another site only a link can be followed: nothing is embedded, fetched or framed', async () => {
  const { address } = await serve({});
  await send(address, KEY, { method: 'PUT', body: 'x' });
  const read = (mode: string, dest: string, site = 'cross-site'): Promise<Answer> =>
    send(address, KEY, {
      headers: { 'Sec-Fetch-Site': site, 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Dest': dest },
    });
  for (const [mode, dest] of [
    ['no-cors', 'image'],
    ['no-cors', 'script'],
    ['no-cors', 'empty'],
    ['cors', 'empty'],
    ['navigate', 'iframe'],
    ['navigate', 'object'],
  ] as const) {
    expectProblem(await read(mode, dest), 403, 'HOST_NOT_ALLOWED');
    for (const site of ['same-origin', 'same-site', 'none'])
      expect((await read(mode, dest, site)).status).toBe(200);
  }
  expect((await read('navigate', 'document')).status).toBe(200);
});

test('what operators use can be elsewhere: then it is not where the data is, nor the data there', async () => {
  const { address, adminAddress } = await serve({ admin: { host: '127.0.0.1', port: 0 } });
  expect(adminAddress).not.toBe(address);
  expectProblem(await send(address, '/admin/faults'), 404, 'ROUTE_NOT_FOUND');
  expect((await send(adminAddress, '/admin/faults')).status).toBe(200);
  expectProblem(await send(adminAddress, KEY), 404, 'ROUTE_NOT_FOUND');
  for (const at of [address, adminAddress]) {
    expect((await send(at, '/healthz')).status).toBe(200);
    expect((await send(at, '/ring')).status).toBe(200);
  }
});

test('with TLS the same is served in TLS only', async () => {
  const tls = { cert: readFileSync(CERTIFICATE), key: readFileSync(PRIVATE_KEY) };
  const { address } = await serve({ access: { tls } });
  expect(address).toMatch(/^https:/);
  const status = await new Promise((resolve, reject) => {
    const request = tlsRequest(`${address}/ring`, { ca: tls.cert, agent: false }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
    request.end();
  });
  expect(status).toBe(200);
  await expect(send(address.replace('https', 'http'), '/ring')).rejects.toThrow(/socket hang up|ECONNRESET/);
});
