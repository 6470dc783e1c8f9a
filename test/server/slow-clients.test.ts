import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { bindHttp, type HttpListener, type Patience } from '../../src/server/http/listener.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { LIMITS } from '../../src/base/limits.js';
import { FakeStore } from './fake-store.js';
import { KEY } from './harness.js';
import { send, type Answer } from './raw-client.js';

/** Raw sockets against a server that is less patient than usual, in what a test is about and in nothing else. */
const VALUE_BYTES = 24 << 20;
const PATIENT: Patience = { headersMs: 120_000, requestMs: 120_000, idleMs: 120_000, stalledMs: 120_000 };
let http: HttpServer;
let listener: HttpListener;
const sockets: Socket[] = [];

async function serve(patience: Partial<Patience> = {}): Promise<void> {
  listener = await bindHttp({ host: '127.0.0.1', port: 0 }, undefined, { ...PATIENT, ...patience });
  http = await startHttp(new FakeStore(), { listen: listener, valueBytes: VALUE_BYTES, graceMs: 100 });
}
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await http.close();
});

interface Client {
  readonly socket: Socket;
  /** What came, once the server has ended the connection. */
  readonly ended: Promise<string>;
}

function client(text: string): Promise<Client> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(http.address).port), '127.0.0.1');
    sockets.push(socket);
    let received = '';
    socket.on('data', (data) => (received += data.toString('latin1')));
    const ended = new Promise<string>((end) => socket.on('close', () => end(received)));
    socket.on('error', () => undefined);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(text);
      resolve({ socket, ended });
    });
  });
}

const HEAD = `PUT ${KEY} HTTP/1.1\r\nHost: localhost\r\n`;

describe('the server gives up', () => {
  test('a client that connects and says nothing', async () => {
    await serve({ headersMs: 300 });
    await (
      await client('')
    ).ended;
  });

  test('a client that connects over TLS and says nothing', async () => {
    const file = (name: string): Buffer => readFileSync(join(import.meta.dirname, 'fixtures', name));
    const tls = { cert: file('tls-cert.pem'), key: file('tls-key.pem') };
    listener = await bindHttp({ host: '127.0.0.1', port: 0 }, tls, { ...PATIENT, headersMs: 300 });
    http = await startHttp(new FakeStore(), { listen: listener, valueBytes: VALUE_BYTES, graceMs: 100 });
    await (
      await client('')
    ).ended;
    // Nor one that has begun to shake hands.
    await (
      await client('\x16\x03\x01\x02\x00\x01')
    ).ended;
  });

  test('a client that sends no HTTP, and leaves its side open after the answer', async () => {
    await serve();
    const connections = (): Promise<number> =>
      new Promise((resolve) => listener.server.getConnections((_error, count) => resolve(count)));
    const { port } = new URL(http.address);
    const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write('no request\r\n\r\n');
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(String(answer)).toMatch(/^HTTP\/1\.1 400 /);
    await expect.poll(connections, { timeout: 5_000 }).toBe(0);
  });

  test('headers that come a byte at a time', async () => {
    await serve({ headersMs: 300 });
    const { socket, ended } = await client(HEAD);
    const drip = setInterval(() => socket.write('x'), 20);
    const answer = await ended;
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1\.1 408 .*"code":"BAD_REQUEST"/s);
  });

  test('a body that comes a byte at a time', async () => {
    await serve({ headersMs: 300, requestMs: 600 });
    const { socket, ended } = await client(`${HEAD}Content-Length: 1000000\r\n\r\n`);
    const drip = setInterval(() => socket.write('x'), 20);
    const answer = await ended;
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('an idle connection', async () => {
    await serve({ idleMs: 100 });
    const { ended } = await client('GET /ring HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await ended).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a client that does not read its answer, while one that reads slowly gets all of it', async () => {
    await serve({ stalledMs: 1_500 });
    const body = Buffer.alloc(VALUE_BYTES, 'v');
    expect((await send(http.address, KEY, { method: 'PUT', body })).status).toBe(204);
    const get = `GET ${KEY} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
    const deaf = connect(Number(new URL(http.address).port), '127.0.0.1', () => deaf.write(get));
    sockets.push(deaf);
    deaf.pause();
    const slow = await client(get);
    let received = 0;
    slow.socket.on('data', (data) => {
      received += data.length;
      slow.socket.pause();
      setImmediate(() => slow.socket.resume());
    });
    await expect.poll(() => received).toBeGreaterThan(VALUE_BYTES);
    const open = (): Promise<number> =>
      new Promise((resolve) => listener.server.getConnections((_error, count) => resolve(count)));
    await expect.poll(open).toBe(0);
    const gone = new Promise((resolve) => deaf.on('close', resolve));
    deaf.on('error', () => undefined);
    deaf.resume();
    await gone;
    expect(deaf.bytesRead).toBeLessThan(VALUE_BYTES);
  });
});

test('large answers that nobody reads are bounded together: one more is told to come again, until they are gone', async () => {
  await serve();
  const body = Buffer.alloc(VALUE_BYTES, 'v');
  const several = '/buckets/b/keys/several';
  await send(http.address, KEY, { method: 'PUT', body });
  for (let i = 0; i < 2; i++) await send(http.address, several, { method: 'PUT', body });
  const deaf = async (path: string): Promise<Socket> => {
    const { socket } = await client('');
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nRange: bytes=1-\r\n\r\n`);
    return socket;
  };
  const fits = Math.floor(LIMITS.httpAnswerBytes / VALUE_BYTES);
  for (let i = 0; i < fits; i++) await deaf(KEY);
  const get = (path: string): Promise<Answer> => send(http.address, path);
  await expect.poll(async () => (await get(KEY)).status).toBe(429);
  const refused = await get(several);
  expect([refused.status, refused.headers['retry-after'], refused.json()]).toMatchObject([
    429,
    '1',
    { code: 'OVERLOADED', retryable: true, maybeApplied: false },
  ]);
  const listed = await send(http.address, '/buckets/b/keys?values=true').catch((error: unknown) => error);
  expect(listed).toBeInstanceOf(Error);
  const put = await send(http.address, `${KEY}2?returnbody=true`, { method: 'PUT', body });
  expect([put.status, put.json()]).toMatchObject([429, { code: 'OVERLOADED', maybeApplied: true }]);
  // Who asks for no large bytes is served.
  expect((await send(http.address, KEY, { method: 'HEAD' })).status).toBe(200);
  expect((await get('/ring')).status).toBe(200);
  for (const socket of sockets.splice(0)) socket.destroy();
  await expect.poll(async () => (await get(several)).status).toBe(300);
  expect((await get(KEY)).body).toHaveLength(VALUE_BYTES);
});

test('of an endless chunked body no more is taken than the largest value', async () => {
  await serve();
  const { socket, ended } = await client(`${HEAD}Transfer-Encoding: chunked\r\n\r\n`);
  const block = `40000\r\n${'x'.repeat(0x40000)}\r\n`;
  const pump = (): void => {
    while (!socket.destroyed && socket.write(block));
  };
  socket.on('drain', pump);
  pump();
  await ended;
  expect(socket.bytesWritten).toBeLessThan(4 * VALUE_BYTES);
});

test('a length above the limit is refused before any byte of the body', async () => {
  await serve();
  const { ended } = await client(`${HEAD}Content-Length: 5000000000\r\n\r\n`);
  expect(await ended).toMatch(/^HTTP\/1\.1 413 .*"code":"VALUE_TOO_LARGE"/s);
});

test('requests on one connection are answered in their order, however many come at once', async () => {
  await serve();
  const paths = Array.from({ length: 50 }, (_, i) => `/buckets/b/keys/${i}`);
  for (const path of paths) await send(http.address, path, { method: 'PUT', body: `<${path}>` });
  const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const last = 'GET /ring HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
  const { ended } = await client(paths.map(ask).join('') + last);
  const answered = [...(await ended).matchAll(/<(\/buckets\/b\/keys\/\d+)>/g)].map(([, path]) => path);
  expect(answered).toEqual(paths);
});
