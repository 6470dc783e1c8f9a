import { Agent, createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { bindHttp } from '../../src/server/http/listener.js';
import { startHttp } from '../../src/server/http/start.js';
import { call, expectProblem, fake, KEY, useFakeStore } from './harness.js';
import { begin, send } from './raw-client.js';

useFakeStore();

describe('errors', () => {
  test.each([
    'r=0',
    'r=4',
    'r=two',
    'r=1.5',
    'timeout=0',
    'timeout=600001',
    'timeline=1',
    'durability=durable',
    'unknown=1',
    'r=1&r=2',
    'r=%',
  ])('GET ?%s is 400', async (query) => {
    expectProblem(await call(`${KEY}?${query}`), 400, 'BAD_REQUEST');
  });

  test.each(['w=4', 'durability=Durable', 'strict=1', 'returnbody=yes', '__proto__=1'])(
    'PUT ?%s is 400',
    async (query) => {
      expectProblem(await call(`${KEY}?${query}`, { method: 'PUT', body: '' }), 400, 'BAD_REQUEST');
      expect((await call(KEY)).status).toBe(404);
    },
  );

  test.each([
    ['QUORUM_NOT_MET', 503, true],
    ['OVERLOADED', 429, true],
    ['TIMEOUT', 503, true],
    ['CONDITION_UNAVAILABLE', 503, true],
    ['STORE_FULL', 507, true],
    ['TOO_MANY_SIBLINGS', 409, false],
  ] as const)('%s is %d', async (code, status, retryable) => {
    fake.store.failure = new RingletError(code, 'need 2, got 1', { need: 2, got: 1 }, { maybeApplied: true });
    const answer = await call(KEY, { method: 'PUT', body: '' });
    const body = expectProblem(answer, status, code);
    expect(body).toMatchObject({ retryable, maybeApplied: true, details: { need: 2, got: 1 } });
    expect(answer.headers['retry-after']).toBe(retryable ? '1' : undefined);
  });

  test('an unexpected fault says nothing to the client and everything to the report', async () => {
    fake.store.failure = new TypeError('secret /home/user');
    const answer = await call(KEY);
    expectProblem(answer, 500, 'INTERNAL');
    expect(answer.text).not.toContain('secret');
    expect(fake.reported).toEqual([fake.store.failure]);
  });

  test('a path that is nothing is 404, a method that a path has not is 405 with Allow', async () => {
    expectProblem(await call('/nothing'), 404, 'ROUTE_NOT_FOUND');
    expectProblem(await call('/buckets/b'), 404, 'ROUTE_NOT_FOUND');
    const answer = await call(KEY, { method: 'POST', body: 'x' });
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer.headers.allow).toBe('GET, HEAD, PUT, DELETE, PATCH');
    expectProblem(await call('/ring', { method: 'DELETE' }), 405, 'METHOD_NOT_ALLOWED');
  });

  test('a method that no path here has is 405 where there is something, 404 where there is nothing', async () => {
    for (const method of ['TRACE', 'PROPFIND', 'PURGE', 'MOVE', 'QUERY', 'M-SEARCH']) {
      for (const [path, allow] of [
        [`${KEY}%2F..?r=1`, 'GET, HEAD, PUT, DELETE, PATCH'],
        ['/buckets/b/keys', 'GET, POST'],
        ['/dashboard/app.js', 'GET, HEAD'],
        ['/', 'GET, HEAD'],
      ] as const) {
        const answer = await call(path, { method });
        expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
        expect([method, path, answer.headers.allow]).toEqual([method, path, allow]);
      }
      const nothing = await call('/buckets/b', { method, headers: { 'Content-Type': 'text/plain' } });
      expectProblem(nothing, 404, 'ROUTE_NOT_FOUND');
    }
    const foreign = await call(KEY, { method: 'TRACE', headers: { Host: 'evil.example' } });
    expectProblem(foreign, 403, 'HOST_NOT_ALLOWED');
  });

  test('what Node would refuse without a word is a problem like any other', async () => {
    const { port } = new URL(fake.http.address);
    for (const [head, status] of [
      ['GET /ring HTTP/1.1', 400],
      [`PUT ${KEY} HTTP/1.1\r\nHost: localhost\r\nExpect: wonders\r\nContent-Length: 0`, 417],
    ] as const) {
      const answer = await new Promise<string>((resolve, reject) => {
        let text = '';
        const socket = connect(Number(port), '127.0.0.1', () =>
          socket.write(`${head}\r\nConnection: close\r\n\r\n`),
        );
        socket.on('data', (data) => (text += String(data)));
        socket.on('close', () => resolve(text));
        socket.on('error', reject);
      });
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
      expect(answer).toContain('"code":"BAD_REQUEST"');
    }
  });

  test.each([
    '/',
    '/ring',
    '/stats',
    '/buckets',
    '/buckets/b/props',
    '/metrics',
    '/openapi.json',
    '/healthz',
  ])('HEAD %s has the headers of GET and no body', async (path) => {
    const [get, head] = [await call(path), await call(path, { method: 'HEAD' })];
    expect([head.status, head.body.length]).toEqual([200, 0]);
    expect(get.body.length).toBeGreaterThan(0);
    expect(Object.keys(head.headers)).toEqual(Object.keys(get.headers));
  });

  test('what is made as it is sent has no HEAD', async () => {
    for (const path of ['/buckets/b/keys', '/admin/events']) {
      const answer = await call(path, { method: 'HEAD' });
      expect([answer.status, answer.body.length]).toEqual([405, 0]);
    }
  });

  test('headers above the limit are 431, bytes that are no HTTP are 400', async () => {
    const long = await call(KEY, { headers: { 'Ringlet-Context': 'x'.repeat(70_000) } });
    expectProblem(long, 431, 'BAD_REQUEST');
    const { port } = new URL(fake.http.address);
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write('*1\r\n$4\r\nPING\r\n'));
      socket.on('data', (data) => (text += String(data)));
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
    expect(answer).toMatch(/^HTTP\/1.1 400 .*"code":"BAD_REQUEST"/s);
  });
});

describe('who may call', () => {
  test.each([
    'evil.example',
    'evil.example:8098',
    '10.0.0.1',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
  ])('Host: %s is 403 on loopback', async (host) => {
    expectProblem(await call(KEY, { headers: { Host: host } }), 403, 'HOST_NOT_ALLOWED');
  });

  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.9.9.9:80', '[::1]:80'])(
    'Host: %s is served',
    async (host) => {
      expect((await call('/ring', { headers: { Host: host } })).status).toBe(200);
    },
  );

  test('a target in absolute form is served as RFC 9112 wants it: its host counts, not the header', async () => {
    const evil = { Host: 'evil.example' };
    await call(KEY, { method: 'PUT', body: 'v' });
    for (const host of ['http://localhost', 'HTTP://127.0.0.1:1', 'https://[::1]:80']) {
      expect(await call(`${host}${KEY}?r=1`, { headers: evil })).toMatchObject({ status: 200, text: 'v' });
      expect((await call(`${host}${KEY}%00`, { method: 'PUT', body: '0' })).status).toBe(204);
      expect((await call(`${KEY}%00`, { method: 'DELETE' })).status).toBe(204);
    }
    expect((await call('http://localhost')).text).toContain('<html');
    expectProblem(await call('http://localhost?x=1'), 400, 'BAD_REQUEST');
    expectProblem(await call(`http://localhost/nothing`), 404, 'ROUTE_NOT_FOUND');
    for (const host of ['http://evil.example', 'http://localhost@evil.example', 'http://'])
      expectProblem(await call(`${host}${KEY}`), 403, 'HOST_NOT_ALLOWED');
    for (const target of ['ftp://localhost/ring', `/http://localhost${KEY}`])
      expectProblem(await call(target), 404, 'ROUTE_NOT_FOUND');
  });

  test('a request with two Host headers is 400, whichever of them is ours', async () => {
    const { port } = new URL(fake.http.address);
    for (const hosts of [
      ['localhost', 'evil.example'],
      ['localhost', 'localhost'],
    ]) {
      const lines = hosts.map((host, i) => `${i === 0 ? 'Host' : 'host'}: ${host}\r\n`).join('');
      const answer = await new Promise<string>((resolve, reject) => {
        let text = '';
        const socket = connect(Number(port), '127.0.0.1', () =>
          socket.write(`GET /ring HTTP/1.1\r\n${lines}\r\n`),
        );
        socket.on('data', (data) => (text += String(data)));
        socket.on('close', () => resolve(text));
        socket.on('error', reject);
      });
      expect(answer).toMatch(/^HTTP\/1.1 400 .*"code":"BAD_REQUEST"/s);
    }
  });

  test('a write with the Origin of another site is 403, with our own it is served', async () => {
    const write = (Origin: string) => call(KEY, { method: 'PUT', body: '', headers: { Origin } });
    expectProblem(await write('https://evil.example'), 403, 'HOST_NOT_ALLOWED');
    expectProblem(await write('null'), 403, 'HOST_NOT_ALLOWED');
    expect((await write(fake.http.address)).status).toBe(204);
  });

  test('bound to all addresses, any name is served', async () => {
    const open = await startHttp(fake.store, { listen: { host: '0.0.0.0', port: 0 }, valueBytes: 10 });
    const { port } = new URL(open.address);
    const answer = await send(`http://127.0.0.1:${port}`, '/ring', { headers: { Host: 'store.example' } });
    await open.close();
    expect(answer.status).toBe(200);
  });
});

describe('buckets and the store', () => {
  test('properties are read and changed; n is fixed; unknown and ill-typed ones are 400', async () => {
    const put = await call('/buckets/b/props', {
      method: 'PUT',
      body: '{"r":1,"durability":"durable","strict":true}',
    });
    expect(put.status).toBe(200);
    expect((await call('/buckets/b/props')).json()).toEqual({
      n: 3,
      r: 1,
      w: 2,
      durability: 'durable',
      conflict: 'siblings',
      strict: true,
    });
    expectProblem(await call('/buckets/b/props', { method: 'PUT', body: '{"n":1}' }), 409, 'BUCKET_MISMATCH');
    for (const body of [
      '',
      '{',
      '[]',
      '{"x":1}',
      '{"r":"1"}',
      '{"strict":"yes"}',
      '{"__proto__":1}',
      'null',
    ]) {
      expectProblem(await call('/buckets/b/props', { method: 'PUT', body }), 400, 'BAD_REQUEST');
    }
  });

  test('GET /buckets lists the buckets that exist', async () => {
    await call('/buckets/one/keys/k', { method: 'PUT', body: '' });
    expect((await call('/buckets')).json()).toMatchObject({ buckets: [{ name: 'one', n: 3 }] });
  });

  test('/ring and /stats are what the store says', async () => {
    expect((await call('/ring')).json()).toEqual(fake.store.ring());
    expect((await call('/stats')).json()).toEqual(fake.store.stats());
  });

  test('/healthz is 200 only when all virtual nodes serve, else 503 with those that do not', async () => {
    expect((await call('/healthz')).json()).toEqual({ status: 'serving', instance: 'run-1', vnodes: 2 });
    fake.store.states = ['serving', 'recovering'];
    const answer = await call('/healthz');
    const body = expectProblem(answer, 503, 'NOT_SERVING');
    expect(body).toMatchObject({ instance: 'run-1', vnodes: [{ id: 'n2.0', state: 'recovering' }] });
    expect(answer.headers['retry-after']).toBe('1');
  });
});

describe('the port', () => {
  test('one that is taken is PORT_IN_USE with a remedy', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(bindHttp({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: expect.stringContaining('--http') as string,
    });
    taken.close();
    await expect(bindHttp({ host: '203.0.113.1', port: 0 })).rejects.toMatchObject({ code: 'IO' });
  });

  test('bound before the store is open it answers 503 with Retry-After', async () => {
    const listener = await bindHttp({ host: '127.0.0.1', port: 0 });
    const early = await send(listener.address, '/healthz');
    expectProblem(early, 503, 'STARTING');
    expect(early.headers['retry-after']).toBe('1');
    const late = await startHttp(fake.store, { listen: listener, valueBytes: 10 });
    expect((await send(late.address, '/healthz')).status).toBe(200);
    await late.close();
  });
});

describe('clients that leave, and closing', () => {
  test('a client that disconnects aborts its request', async () => {
    let release = (): void => undefined;
    fake.store.gate = new Promise((resolve) => (release = resolve));
    const { request, answer } = begin(fake.http.address, KEY);
    answer.catch(() => undefined);
    await expect.poll(() => fake.store.lastSignal).toBeDefined();
    expect(fake.store.lastSignal!.aborted).toBe(false);
    const aborted = new Promise((resolve) => fake.store.lastSignal!.addEventListener('abort', resolve));
    request.destroy();
    await aborted;
    release();
  });

  test('a request that is answered is not aborted, nor the next one on the connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await call(KEY, { method: 'PUT', body: '', agent });
    expect(fake.store.lastSignal!.aborted).toBe(false);
    await call(KEY, { agent });
    expect(fake.store.lastSignal!.aborted).toBe(false);
    agent.destroy();
  });

  test('close lets a request in flight end, with Connection: close, and takes no new one', async () => {
    let release = (): void => undefined;
    fake.store.gate = new Promise((resolve) => (release = resolve));
    const agent = new Agent({ keepAlive: true });
    const { answer } = begin(fake.http.address, KEY, { method: 'PUT', body: 'x', agent });
    await expect.poll(() => fake.store.lastSignal).toBeDefined();
    const closed = fake.http.close();
    await expect(call('/ring')).rejects.toThrow('ECONNREFUSED');
    release();
    expect(await answer).toMatchObject({ status: 204, headers: { connection: 'close' } });
    await closed;
    agent.destroy();
  });

  test('close cuts off what does not end within the grace', async () => {
    let release = (): void => undefined;
    fake.store.gate = new Promise((resolve) => (release = resolve));
    const listen = { host: '127.0.0.1', port: 0 };
    const http = await startHttp(fake.store, { listen, valueBytes: 10, graceMs: 100 });
    const { answer } = begin(http.address, KEY);
    const outcome = answer.then(
      () => 'answered',
      () => 'cut off',
    );
    await expect.poll(() => fake.store.lastSignal).toBeDefined();
    await http.close();
    expect(await outcome).toBe('cut off');
    release();
  });
});
