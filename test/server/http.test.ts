import { Agent, createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { bindHttp } from '../../src/server/http/listener.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';
import { begin, send, type Answer, type Sent } from './raw-client.js';

const VALUE_BYTES = 1_000;
let store: FakeStore;
let http: HttpServer;
let reported: unknown[];

beforeEach(async () => {
  store = new FakeStore();
  reported = [];
  http = await startHttp(store, {
    listen: { host: '127.0.0.1', port: 0 },
    valueBytes: VALUE_BYTES,
    instance: 'run-1',
    graceMs: 500,
    report: (error) => reported.push(error),
  });
});
afterEach(() => http.close());

const call = (path: string, sent?: Sent): Promise<Answer> => send(http.address, path, sent);
const KEY = '/buckets/b/keys/k';

function context(answer: Answer): string {
  const value = answer.headers['ringlet-context'];
  expect(value).toBeTypeOf('string');
  return value as string;
}

function expectProblem(answer: Answer, status: number, code: string): Record<string, unknown> {
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const body = answer.json() as Record<string, unknown>;
  expect(body).toMatchObject({ status, code });
  expect(Object.keys(body)).toEqual(
    expect.arrayContaining([
      'type',
      'title',
      'status',
      'code',
      'detail',
      'details',
      'retryable',
      'maybeApplied',
    ]),
  );
  expect(answer.text).not.toMatch(/\bat .*:\d+:\d+/);
  return body;
}

describe('one key', () => {
  test('PUT answers 204 with a context, GET returns bytes, content type, ETag and context', async () => {
    const bytes = Uint8Array.from([0, 255, 13, 10]);
    const put = await call(KEY, {
      method: 'PUT',
      body: bytes,
      headers: { 'Content-Type': 'text/html; charset=latin1' },
    });
    expect(put.status).toBe(204);
    expect(put.body.length).toBe(0);
    const get = await call(KEY);
    expect(get.status).toBe(200);
    expect([...get.body]).toEqual([...bytes]);
    expect(get.headers['content-type']).toBe('text/html; charset=latin1');
    expect(context(get)).toBe(context(put));
    expect(get.headers.etag).toBe(`"${context(get)}"`);
    expect(get.headers['x-content-type-options']).toBe('nosniff');
    expect(get.headers['content-security-policy']).toContain('sandbox');
    expect(get.headers['ringlet-degraded']).toBeUndefined();
  });

  test('HEAD has the headers of GET and no body', async () => {
    await call(KEY, { method: 'PUT', body: 'value' });
    const head = await call(KEY, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect(head.headers['content-length']).toBe('5');
    expect(head.body.length).toBe(0);
    expect((await call('/buckets/b/keys/none', { method: 'HEAD' })).status).toBe(404);
  });

  test('a value without a content type is application/octet-stream; an empty body is a value', async () => {
    expect((await call(KEY, { method: 'PUT' })).status).toBe(204);
    const get = await call(KEY);
    expect([get.status, get.body.length, get.headers['content-type']]).toEqual([
      200,
      0,
      'application/octet-stream',
    ]);
  });

  test('JSON and form bodies are stored as they come', async () => {
    for (const type of [
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
    ]) {
      await call(`${KEY}-${type.length}`, {
        method: 'PUT',
        body: '{ not json',
        headers: { 'Content-Type': type },
      });
      const get = await call(`${KEY}-${type.length}`);
      expect([get.text, get.headers['content-type']]).toEqual(['{ not json', type]);
    }
  });

  test('a chunked body without a length is stored, and one above the limit is refused', async () => {
    expect((await call(KEY, { method: 'PUT', chunks: ['a', 'b'], body: 'c' })).status).toBe(204);
    expect((await call(KEY)).text).toBe('abc');
    const chunks = [new Uint8Array(600), new Uint8Array(401)];
    expectProblem(await call(KEY, { method: 'PUT', chunks }), 413, 'VALUE_TOO_LARGE');
    expect((await call(KEY)).text).toBe('abc');
  });

  test('a body of exactly the limit is stored, one byte more is 413', async () => {
    expect((await call(KEY, { method: 'PUT', body: new Uint8Array(VALUE_BYTES) })).status).toBe(204);
    expectProblem(
      await call(KEY, { method: 'PUT', body: new Uint8Array(VALUE_BYTES + 1) }),
      413,
      'VALUE_TOO_LARGE',
    );
  });

  test('DELETE answers 204 with a context; the tombstone is 404 with it; a key never written is 404 without', async () => {
    const put = await call(KEY, { method: 'PUT', body: 'x' });
    const gone = await call(KEY, { method: 'DELETE', headers: { 'Ringlet-Context': context(put) } });
    expect(gone.status).toBe(204);
    const get = await call(KEY);
    expect(expectProblem(get, 404, 'NOT_FOUND')['details']).toEqual({ tombstone: true });
    expect(context(get)).toBe(context(gone));
    const never = await call('/buckets/b/keys/never');
    expect(expectProblem(never, 404, 'NOT_FOUND')['details']).toEqual({ tombstone: false });
    expect(never.headers['ringlet-context']).toBeUndefined();
  });

  test('POST creates under a new key: 201 and a Location that answers', async () => {
    const first = await call('/buckets/b/keys', { method: 'POST', body: 'v' });
    const second = await call('/buckets/b/keys', { method: 'POST', body: 'v' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(first.headers.location).not.toBe(second.headers.location);
    expect((await call(first.headers.location!)).text).toBe('v');
    expect(context(first)).toBeTruthy();
  });

  test('returnbody=true answers with the value, or with all siblings', async () => {
    const one = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'a' });
    expect([one.status, one.text]).toEqual([200, 'a']);
    const two = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'b' });
    expect(two.status).toBe(300);
  });

  test('a failed read behind a successful put says that the write may have been applied', async () => {
    store.readFailure = new RingletError('QUORUM_NOT_MET', '1 of 2', { need: 2, got: 1 });
    const answer = await call(`${KEY}?returnbody=true`, { method: 'PUT', body: 'a' });
    expect(expectProblem(answer, 503, 'QUORUM_NOT_MET')['maybeApplied']).toBe(true);
  });

  test('degraded answers and timelines are in headers', async () => {
    store.degraded = true;
    const answer = await call(`${KEY}?timeline=true`);
    expect(answer.headers['ringlet-degraded']).toBe('true');
    expect(answer.headers['server-timing']).toBe('answered;dur=1.500;desc="n1.0 _hit_"');
  });

  test('r, w, durability and timeout reach the store', async () => {
    await call(`${KEY}?w=all&durability=durable&timeout=250`, { method: 'PUT', body: '' });
    expect(store.calls.at(-1)).toMatchObject({ w: 'all', durability: 'durable', timeoutMs: 250 });
    await call(`${KEY}?r=1`);
    expect(store.calls.at(-1)).toMatchObject({ r: 1 });
  });
});

describe('keys are arbitrary bytes', () => {
  test.each([
    ['%2F', [0x2f]],
    ['a/b//c', [...Buffer.from('a/b//c')]],
    ['%00', [0]],
    ['%FF%fe', [0xff, 0xfe]],
    ['Z%C3%BCrich,47.4', [...Buffer.from('Zürich,47.4')]],
    ['+', [0x2b]],
    ['..%2f..%2fetc', [...Buffer.from('../../etc')]],
    ['__proto__', [...Buffer.from('__proto__')]],
    ['.', [0x2e]],
  ])('%s', async (path, bytes) => {
    expect((await call(`/buckets/b/keys/${path}`, { method: 'PUT', body: 'v' })).status).toBe(204);
    const stored = await store.bucket('b').get(Uint8Array.from(bytes));
    expect(Buffer.from(stored.value!).toString()).toBe('v');
    expect((await call(`/buckets/b/keys/${path}`)).text).toBe('v');
  });

  test.each(['%', '%2', '%zz', 'a%%41'])('malformed percent-encoding %s is 400', async (path) => {
    expectProblem(await call(`/buckets/b/keys/${path}`), 400, 'BAD_REQUEST');
  });

  test('malformed percent-encoding in the bucket is 400', async () => {
    expectProblem(await call('/buckets/%zz/keys/k'), 400, 'BAD_REQUEST');
    expectProblem(await call('/buckets/%ff/keys/k'), 400, 'BAD_REQUEST');
  });

  test('an empty key, a long key, and bucket names outside the alphabet are 400', async () => {
    expectProblem(await call('/buckets/b/keys/', { method: 'PUT' }), 400, 'BAD_REQUEST');
    expectProblem(
      await call(`/buckets/b/keys/${'%00'.repeat(1_901)}`, { method: 'PUT' }),
      400,
      'KEY_TOO_LARGE',
    );
    expect((await call(`/buckets/b/keys/${'%00'.repeat(1_900)}`, { method: 'PUT' })).status).toBe(204);
    for (const name of ['a%2Fb', 'a%20b', 'x'.repeat(65), 'x'.repeat(3_000)]) {
      expectProblem(await call(`/buckets/${name}/keys/k`), 400, 'BAD_REQUEST');
    }
  });
});

describe('siblings', () => {
  test('two puts without a context are 300 with both; a put with that context resolves them', async () => {
    await call(KEY, { method: 'PUT', body: 'a', headers: { 'Content-Type': 'text/a' } });
    await call(KEY, { method: 'PUT', body: 'b', headers: { 'Content-Type': 'text/b' } });
    const both = await call(KEY);
    expect(both.status).toBe(300);
    expect(both.headers.etag).toBeUndefined();
    const envelope = both.json() as { context: string; siblings: Record<string, string>[] };
    expect(envelope.context).toBe(context(both));
    const values = envelope.siblings.map((s) => [
      Buffer.from(s['value']!, 'base64').toString(),
      s['contentType'],
    ]);
    expect(values).toEqual([
      ['a', 'text/a'],
      ['b', 'text/b'],
    ]);
    expect(new Set(envelope.siblings.map((s) => s['etag'])).size).toBe(2);
    expect(envelope.siblings[0]!['modifiedAt']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);

    const headers = { 'Ringlet-Context': envelope.context };
    expect((await call(KEY, { method: 'PUT', body: 'ab', headers })).status).toBe(204);
    const resolved = await call(KEY);
    expect([resolved.status, resolved.text]).toEqual([200, 'ab']);
  });
});

describe('conditions', () => {
  test('If-None-Match: * writes only what is absent', async () => {
    const headers = { 'If-None-Match': '*' };
    expect((await call(KEY, { method: 'PUT', body: '1', headers })).status).toBe(204);
    expectProblem(await call(KEY, { method: 'PUT', body: '2', headers }), 412, 'CONDITION_FAILED');
    expect((await call(KEY)).text).toBe('1');
  });

  test('If-Match with the ETag writes only what is unchanged, for PUT and DELETE', async () => {
    await call(KEY, { method: 'PUT', body: '1' });
    const etag = (await call(KEY)).headers.etag!;
    expect((await call(KEY, { method: 'PUT', body: '2', headers: { 'If-Match': etag } })).status).toBe(204);
    expectProblem(
      await call(KEY, { method: 'PUT', body: '3', headers: { 'If-Match': etag } }),
      412,
      'CONDITION_FAILED',
    );
    expectProblem(
      await call(KEY, { method: 'DELETE', headers: { 'If-Match': etag } }),
      412,
      'CONDITION_FAILED',
    );
    expect((await call(KEY)).text).toBe('2');
  });

  test('GET with If-None-Match equal to the ETag is 304, else 200', async () => {
    await call(KEY, { method: 'PUT', body: '1' });
    const { etag } = (await call(KEY)).headers;
    for (const tag of [etag!, `W/${etag}`, `"x", ${etag}`, '*']) {
      const answer = await call(KEY, { headers: { 'If-None-Match': tag } });
      expect([answer.status, answer.body.length, answer.headers.etag]).toEqual([304, 0, etag]);
    }
    expect((await call(KEY, { headers: { 'If-None-Match': '"x"' } })).status).toBe(200);
  });

  test('conditions that the store does not have are 400', async () => {
    const refused = [
      { method: 'PUT', headers: { 'If-None-Match': '"x"' } },
      { method: 'PUT', headers: { 'If-Match': '*' } },
      { method: 'PUT', headers: { 'If-Match': 'bare' } },
      { method: 'DELETE', headers: { 'If-None-Match': '*' } },
    ];
    for (const sent of refused) expectProblem(await call(KEY, sent), 400, 'BAD_REQUEST');
    expectProblem(
      await call(KEY, { method: 'PUT', headers: { 'Ringlet-Context': '!' } }),
      400,
      'BAD_CONTEXT',
    );
  });
});

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

  test.each(['w=4', 'durability=Durable', 'returnbody=yes', '__proto__=1'])(
    'PUT ?%s is 400',
    async (query) => {
      expectProblem(await call(`${KEY}?${query}`, { method: 'PUT', body: '' }), 400, 'BAD_REQUEST');
      expect((await call(KEY)).status).toBe(404);
    },
  );

  test.each([
    ['QUORUM_NOT_MET', 503, true],
    ['OVERLOADED', 503, true],
    ['TIMEOUT', 503, true],
    ['CONDITION_UNAVAILABLE', 503, true],
    ['STORE_FULL', 507, true],
    ['TOO_MANY_SIBLINGS', 409, false],
  ] as const)('%s is %d', async (code, status, retryable) => {
    store.failure = new RingletError(code, 'need 2, got 1', { need: 2, got: 1 }, { maybeApplied: true });
    const answer = await call(KEY, { method: 'PUT', body: '' });
    const body = expectProblem(answer, status, code);
    expect(body).toMatchObject({ retryable, maybeApplied: true, details: { need: 2, got: 1 } });
    expect(answer.headers['retry-after']).toBe(retryable ? '1' : undefined);
  });

  test('an unexpected fault says nothing to the client and everything to the report', async () => {
    store.failure = new TypeError('secret /home/user');
    const answer = await call(KEY);
    expectProblem(answer, 500, 'INTERNAL');
    expect(answer.text).not.toContain('secret');
    expect(reported).toEqual([store.failure]);
  });

  test('a path that is nothing is 404, a method that a path has not is 405 with Allow', async () => {
    expectProblem(await call('/nothing'), 404, 'ROUTE_NOT_FOUND');
    expectProblem(await call('/buckets/b'), 404, 'ROUTE_NOT_FOUND');
    const answer = await call(KEY, { method: 'POST', body: 'x' });
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer.headers.allow).toBe('GET, HEAD, PUT, DELETE');
    expectProblem(await call('/ring', { method: 'DELETE' }), 405, 'METHOD_NOT_ALLOWED');
  });

  test('headers above the limit are 431, bytes that are no HTTP are 400', async () => {
    const long = await call(KEY, { headers: { 'Ringlet-Context': 'x'.repeat(70_000) } });
    expectProblem(long, 431, 'BAD_REQUEST');
    const { port } = new URL(http.address);
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

  test('a write with the Origin of another site is 403, with our own it is served', async () => {
    const write = (Origin: string) => call(KEY, { method: 'PUT', body: '', headers: { Origin } });
    expectProblem(await write('https://evil.example'), 403, 'HOST_NOT_ALLOWED');
    expectProblem(await write('null'), 403, 'HOST_NOT_ALLOWED');
    expect((await write(http.address)).status).toBe(204);
  });

  test('bound to all addresses, any name is served', async () => {
    const open = await startHttp(store, { listen: { host: '0.0.0.0', port: 0 }, valueBytes: 10 });
    const { port } = new URL(open.address);
    const answer = await send(`http://127.0.0.1:${port}`, '/ring', { headers: { Host: 'store.example' } });
    await open.close();
    expect(answer.status).toBe(200);
  });
});

describe('buckets and the store', () => {
  test('properties are read and changed; n is fixed; unknown and ill-typed ones are 400', async () => {
    const put = await call('/buckets/b/props', { method: 'PUT', body: '{"r":1,"durability":"durable"}' });
    expect(put.status).toBe(200);
    expect((await call('/buckets/b/props')).json()).toEqual({
      n: 3,
      r: 1,
      w: 2,
      durability: 'durable',
      conflict: 'siblings',
    });
    expectProblem(await call('/buckets/b/props', { method: 'PUT', body: '{"n":1}' }), 409, 'BUCKET_MISMATCH');
    for (const body of ['', '{', '[]', '{"x":1}', '{"r":"1"}', '{"__proto__":1}', 'null']) {
      expectProblem(await call('/buckets/b/props', { method: 'PUT', body }), 400, 'BAD_REQUEST');
    }
  });

  test('GET /buckets lists the buckets that exist', async () => {
    await call('/buckets/one/keys/k', { method: 'PUT', body: '' });
    expect((await call('/buckets')).json()).toMatchObject({ buckets: [{ name: 'one', n: 3 }] });
  });

  test('/ring and /stats are what the store says', async () => {
    expect((await call('/ring')).json()).toEqual(store.ring());
    expect((await call('/stats')).json()).toEqual(store.stats());
  });

  test('/healthz is 200 only when all virtual nodes serve, else 503 with those that do not', async () => {
    expect((await call('/healthz')).json()).toEqual({ status: 'serving', instance: 'run-1', vnodes: 2 });
    store.states = ['serving', 'recovering'];
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
    const late = await startHttp(store, { listen: listener, valueBytes: 10 });
    expect((await send(late.address, '/healthz')).status).toBe(200);
    await late.close();
  });
});

describe('clients that leave, and closing', () => {
  test('a client that disconnects aborts its request', async () => {
    let release = (): void => undefined;
    store.gate = new Promise((resolve) => (release = resolve));
    const { request, answer } = begin(http.address, KEY);
    answer.catch(() => undefined);
    await expect.poll(() => store.lastSignal).toBeDefined();
    expect(store.lastSignal!.aborted).toBe(false);
    const aborted = new Promise((resolve) => store.lastSignal!.addEventListener('abort', resolve));
    request.destroy();
    await aborted;
    release();
  });

  test('a request that is answered is not aborted', async () => {
    await call(KEY, { method: 'PUT', body: '' });
    await call(KEY);
    expect(store.lastSignal!.aborted).toBe(false);
  });

  test('close lets a request in flight end, with Connection: close, and takes no new one', async () => {
    let release = (): void => undefined;
    store.gate = new Promise((resolve) => (release = resolve));
    const agent = new Agent({ keepAlive: true });
    const { answer } = begin(http.address, KEY, { method: 'PUT', body: 'x', agent });
    await expect.poll(() => store.lastSignal).toBeDefined();
    const closed = http.close();
    await expect(call('/ring')).rejects.toThrow('ECONNREFUSED');
    release();
    expect(await answer).toMatchObject({ status: 204, headers: { connection: 'close' } });
    await closed;
    agent.destroy();
  });

  test('close cuts off what does not end within the grace', async () => {
    let release = (): void => undefined;
    store.gate = new Promise((resolve) => (release = resolve));
    const { answer } = begin(http.address, KEY);
    const outcome = answer.then(
      () => 'answered',
      () => 'cut off',
    );
    await expect.poll(() => store.lastSignal).toBeDefined();
    await http.close();
    expect(await outcome).toBe('cut off');
    release();
  });
});
