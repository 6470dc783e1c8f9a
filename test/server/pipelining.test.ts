import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { bindHttp, type HttpListener } from '../../src/server/http/listener.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';
import { KEY } from './harness.js';
import { send } from './raw-client.js';

const fixture = (name: string): Buffer => readFileSync(new URL(`fixtures/${name}.pem`, import.meta.url));
const GET = `GET ${KEY} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
const DELETE = `DELETE ${KEY} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
/** One read takes so much at most; what waits beyond stays with the client. */
const READ_BYTES = 64 << 10;

let store: FakeStore;
let http: HttpServer;
let listener: HttpListener;
let release: () => void = () => undefined;
const clients: Socket[] = [];

beforeEach(() => serve());
afterEach(async () => {
  for (const socket of clients.splice(0)) socket.destroy();
  release();
  await http.close();
});

async function serve(tls?: { cert: Buffer; key: Buffer }): Promise<void> {
  store = new FakeStore();
  listener = await bindHttp({ host: '127.0.0.1', port: 0 }, tls);
  http = await startHttp(store, { listen: listener, valueBytes: 4 << 20, graceMs: 20_000 });
}

/** Requests to the store come no further, until `release`. */
function hold(): void {
  store.gate = new Promise((resolve) => (release = resolve));
}

class Client {
  received = '';
  readonly socket: Socket;
  readonly closed: Promise<void>;

  constructor(text: string, socket: Socket = connect(Number(new URL(http.address).port), '127.0.0.1')) {
    this.socket = socket;
    clients.push(socket);
    socket.on('data', (data) => (this.received += data.toString('latin1')));
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => void socket.once('close', () => resolve()));
    socket.write(text);
  }

  /** The statuses that have come. */
  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  }
}

/** The server's loop has turned so often that it has read what it wants to. */
async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await send(http.address, '/nothing');
}

describe('requests of one connection begin one after another', () => {
  test('what comes behind an unsafe one waits for it', async () => {
    await send(http.address, KEY, { method: 'PUT', body: 'v' });
    hold();
    const client = new Client(`${GET}${DELETE}${GET.replace(' HTTP', '?timeout=70 HTTP')}`);
    await settled();
    expect(store.calls).toHaveLength(2);
    release();
    await expect.poll(() => client.statuses).toEqual([200, 204, 404]);
    // All of its time: it makes no difference who has it wait, the server or the connection.
    expect(store.calls.at(-1)).toMatchObject({ timeoutMs: 70 });
  });

  test('one that waits does not begin when its client has gone', async () => {
    hold();
    const client = new Client(`${GET}${DELETE}`);
    await expect.poll(() => store.lastSignal).toBeDefined();
    client.socket.destroy();
    await expect.poll(() => store.lastSignal!.aborted).toBe(true);
    release();
    await settled();
    expect(store.calls).toHaveLength(1);
  });

  test('one that waits does not begin behind an answer that ends the connection', async () => {
    hold();
    const client = new Client(`${GET}${DELETE}`);
    await expect.poll(() => store.lastSignal).toBeDefined();
    const closed = http.close();
    release();
    await client.closed;
    expect(client.received).toMatch(/^HTTP\/1\.1 404 .*\r\nConnection: close\r\n/s);
    await closed;
    expect(client.statuses).toEqual([404]);
    expect(store.calls).toHaveLength(1);
  });

  test('a body is asked for (100-continue) and read when the turn has come', async () => {
    hold();
    const expecting = 'Expect: 100-continue\r\nContent-Length: 3000000\r\n\r\n';
    const client = new Client(`${GET}PUT ${KEY} HTTP/1.1\r\nHost: localhost\r\n${expecting}`);
    await settled();
    expect(client.received).toBe('');
    release();
    await expect.poll(() => client.statuses).toEqual([404, 100]);
    client.socket.write('x'.repeat(3_000_000));
    client.socket.write(GET);
    await expect.poll(() => client.statuses).toEqual([404, 100, 204, 200]);
  });
});

describe('a client that sends and sends', () => {
  test('is not read from while many of its requests wait: behind one that lasts', async () => {
    const taken = new Promise<Socket>((resolve) => void listener.server.once('connection', resolve));
    hold();
    void new Client(GET.repeat(100_000));
    const { bytesRead } = await taken.then(async (socket) => {
      await settled();
      return socket;
    });
    expect(store.calls).toHaveLength(1);
    expect(bytesRead).toBeLessThan(READ_BYTES + LIMITS.httpWaiting * GET.length);
  });

  test('and takes none of its answers: one is held for it, not all', async () => {
    await send(http.address, KEY, { method: 'PUT', body: Buffer.alloc(4 << 20) });
    const taken = new Promise<Socket>((resolve) => void listener.server.once('connection', resolve));
    const client = new Client('');
    client.socket.pause();
    client.socket.write(GET.repeat(3_000));
    const socket = await taken;
    await expect.poll(() => socket.writableLength).toBeGreaterThan(0);
    await settled();
    // The put, those that went into the buffers of the connection, and the one that did not.
    expect(store.calls.length).toBeLessThan(6);
  });

  test.each(['TCP', 'TLS'])('and reads gets every answer, by %s', async (kind) => {
    const tls = { cert: fixture('tls-cert'), key: fixture('tls-key') };
    if (kind === 'TLS') {
      await http.close();
      await serve(tls);
      hold();
    }
    hold();
    // In several reads, and so that most of them are held back meanwhile.
    const count = 2_500;
    const port = Number(new URL(http.address).port);
    const client =
      kind === 'TLS'
        ? new Client(
            GET.repeat(count),
            connectTls({ port, host: '127.0.0.1', ca: tls.cert, checkServerIdentity: () => undefined }),
          )
        : new Client(GET.repeat(count));
    await expect.poll(() => store.calls.length).toBe(1);
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(store.calls).toHaveLength(1);
    release();
    // Each look reads all that has come.
    await expect.poll(() => client.statuses.length, { timeout: 120_000, interval: 100 }).toBe(count);
  });
});
