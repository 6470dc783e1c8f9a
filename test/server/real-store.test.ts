import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostStore } from '../../src/client/api.js';
import type { HttpServer } from '../../src/server/http/start.js';
import { send, type Answer, type Sent } from './raw-client.js';
import { open } from '../../src/index.js';
import { startHttp } from '../../src/server/http/start.js';

/** Compiled, since worker threads cannot load TypeScript; by a variable, so that tsc does not read its own output. */

/** The HTTP layer on the real store (compiled, with its threads): what the fake cannot vouch for. */
let store: HostStore;
let http: HttpServer;
const reported: unknown[] = [];

beforeAll(async () => {
  store = await open({ engine: 'memory', nodes: 3, memoryMiB: 64, valueBytes: 100_000 });
  const report = (error: unknown): void => void reported.push(error);
  http = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 100_000, report });
});
afterAll(async () => {
  await http.close();
  await store.close();
  expect(reported).toEqual([]);
});

const call = (path: string, sent?: Sent): Promise<Answer> => send(http.address, path, sent);
const context = (answer: Answer): string => String(answer.headers['ringlet-context']);

test('a value of any bytes and type comes back as it was put, under a key of any bytes', async () => {
  const body = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  for (const key of ['%00%FF%2F', 'Z%C3%BCrich', '..', 'a/b']) {
    const put = await call(`/buckets/bytes/keys/${key}`, {
      method: 'PUT',
      body,
      headers: { 'Content-Type': 'image/x-any; q="1"' },
    });
    expect(put.status).toBe(204);
    const get = await call(`/buckets/bytes/keys/${key}`);
    expect([get.status, get.headers['content-type'], Buffer.compare(get.body, body)]).toEqual([
      200,
      'image/x-any; q="1"',
      0,
    ]);
    expect(context(get)).toBe(context(put));
  }
});

test('what the library takes for a content type HTTP takes, and what the one refuses the other does', async () => {
  const takes = async (type: string): Promise<[boolean, boolean]> => {
    const headers = { 'Content-Type': type };
    const { status } = await call('/buckets/types/keys/k', { method: 'PUT', body: 'v', headers });
    const put = store.bucket('types').put('k', 'v', { contentType: type });
    return [
      status === 204,
      await put.then(
        () => true,
        () => false,
      ),
    ];
  };
  for (const type of ['a/b', 'a/b;', 'a/b ; c="d/e"', 'A/vnd.b+c;d', '*/*', 'a/b;c=/'])
    expect([type, await takes(type)]).toEqual([type, [true, true]]);
  for (const type of [
    'text',
    'a b/c',
    'a/b/c',
    '/b',
    'a/',
    'a/b, c/d',
    'a;b/c',
    ';a/b',
    'a/b c',
    'a:/b',
    '<a>/b',
  ])
    expect([type, await takes(type)]).toEqual([type, [false, false]]);
});

test('the largest value fits, an empty one too', async () => {
  for (const body of [new Uint8Array(100_000).fill(7), new Uint8Array(0)]) {
    expect(
      (await call('/buckets/sizes/keys/k', { method: 'PUT', body, headers: { 'If-None-Match': 'x' } }))
        .status,
    ).toBe(400);
    expect((await call(`/buckets/sizes/keys/${body.length}`, { method: 'PUT', body })).status).toBe(204);
    expect((await call(`/buckets/sizes/keys/${body.length}`)).body.length).toBe(body.length);
  }
  expect((await call('/buckets/sizes/keys/k', { method: 'PUT', body: new Uint8Array(100_001) })).status).toBe(
    413,
  );
});

test('siblings, their resolution, the tombstone, and creation again', async () => {
  const key = '/buckets/siblings/keys/k';
  await call(key, { method: 'PUT', body: 'a' });
  await call(key, { method: 'PUT', body: 'b' });
  const both = await call(key);
  expect(both.status).toBe(300);
  const { siblings } = both.json() as { siblings: { value: string }[] };
  expect(siblings.map(({ value }) => Buffer.from(value, 'base64').toString()).toSorted()).toEqual(['a', 'b']);
  const headers = { 'Ringlet-Context': context(both) };
  expect((await call(key, { method: 'PUT', body: 'ab', headers })).status).toBe(204);
  const resolved = await call(key);
  expect([resolved.status, resolved.text]).toEqual([200, 'ab']);

  const gone = await call(key, { method: 'DELETE', headers: { 'Ringlet-Context': context(resolved) } });
  expect(gone.status).toBe(204);
  const tombstone = await call(key);
  expect([tombstone.status, tombstone.json()]).toMatchObject([
    404,
    { code: 'NOT_FOUND', details: { tombstone: true } },
  ]);
  await call(key, { method: 'PUT', body: 'new', headers: { 'Ringlet-Context': context(tombstone) } });
  expect((await call(key)).text).toBe('new');
});

test('conditions hold inside the store: If-None-Match: *, If-Match, 304', async () => {
  const key = '/buckets/conditions/keys/k';
  const absent = { 'If-None-Match': '*' };
  expect((await call(key, { method: 'PUT', body: '1', headers: absent })).status).toBe(204);
  expect((await call(key, { method: 'PUT', body: '2', headers: absent })).json()).toMatchObject({
    code: 'CONDITION_FAILED',
    status: 412,
  });
  const etag = (await call(key)).headers.etag!;
  expect((await call(key, { headers: { 'If-None-Match': etag } })).status).toBe(304);
  expect((await call(key, { method: 'PUT', body: '2', headers: { 'If-Match': etag } })).status).toBe(204);
  expect((await call(key, { method: 'PUT', body: '3', headers: { 'If-Match': etag } })).status).toBe(412);
  expect((await call(key)).text).toBe('2');
});

test('r and w above n, a damaged context, a long key and a bad bucket name are 400 of the store', async () => {
  const key = '/buckets/errors/keys/k';
  const put = await call(key, { method: 'PUT', body: 'x' });
  const damaged = `${context(put).slice(0, -2)}${context(put).endsWith('AA') ? 'BB' : 'AA'}`;
  const answers = [
    await call(`${key}?r=4`),
    await call(`${key}?w=4`, { method: 'PUT', body: '' }),
    await call(`${key}?durability=durable`, { method: 'PUT', body: '' }),
    await call(key, { method: 'PUT', body: '', headers: { 'Ringlet-Context': damaged } }),
    await call(`/buckets/errors/keys/${'k'.repeat(1_901)}`),
    await call('/buckets/no%20name/keys/k'),
    await call('/buckets/errors/keys?cursor=nonsense'),
  ];
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 400));
  expect(answers.map((answer) => (answer.json() as { code: string }).code)).toEqual([
    'BAD_REQUEST',
    'BAD_REQUEST',
    'BAD_REQUEST',
    'BAD_CONTEXT',
    'KEY_TOO_LARGE',
    'BAD_REQUEST',
    'BAD_REQUEST',
  ]);
});

test('a listing with limit and cursor meets every key exactly once', async () => {
  const keys = Array.from({ length: 500 }, (_, i) => `key-${i}`);
  await store.bucket('list').putMany(keys.map((key) => ({ key, value: key })));
  const seen: string[] = [];
  for (let cursor = ''; ;) {
    const { text } = await call(`/buckets/list/keys?limit=33&values=true${cursor}`);
    const lines = text.split('\n').filter((line) => line !== '');
    const page = lines.map(
      (line) => JSON.parse(line) as { key: string; cursor: string; values: { value: string }[] },
    );
    for (const { key, values } of page) expect(Buffer.from(values[0]!.value, 'base64').toString()).toBe(key);
    seen.push(...page.map(({ key }) => key));
    if (page.length < 33) break;
    cursor = `&cursor=${encodeURIComponent(page.at(-1)!.cursor)}`;
  }
  expect(seen.toSorted()).toEqual(keys.toSorted());
});

test('a bucket is created with properties; n and the rule stay, and a refused change leaves it readable', async () => {
  const made = await call('/buckets/props/props', { method: 'PUT', body: '{"n":1,"conflict":"lww"}' });
  expect(made.json()).toMatchObject({ n: 1, r: 1, w: 1, conflict: 'lww' });
  await call('/buckets/props/keys/k', { method: 'PUT', body: '1' });
  await call('/buckets/props/keys/k', { method: 'PUT', body: '2' });
  const refused = await call('/buckets/props/props', { method: 'PUT', body: '{"n":2}' });
  expect(refused.json()).toMatchObject({ code: 'BUCKET_MISMATCH', status: 409 });
  expect((await call('/buckets/props/keys/k')).text).toBe('2');
  const listed = (await call('/buckets')).json() as { buckets: { name: string }[] };
  expect(listed.buckets.map(({ name }) => name)).toContain('props');
});

test('ring, stats, health and the timeline of a request', async () => {
  expect((await call('/ring')).json()).toMatchObject({
    partitions: 64,
    nodes: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }],
  });
  expect((await call('/stats')).json()).toMatchObject({ vnodes: [{}, {}, {}] });
  expect((await call('/healthz')).json()).toMatchObject({ status: 'serving', vnodes: 3 });
  const put = await call('/buckets/b/keys/t?timeline=true', { method: 'PUT', body: '' });
  expect(put.headers['server-timing']).toMatch(/;dur=\d+\.\d{3}/);
});

test('a ring is described by the same lists as long as it stays, and who asks cannot change them for others', () => {
  const { preferenceLists } = store.ring();
  expect(store.ring().preferenceLists).toBe(preferenceLists);
  expect(preferenceLists.length).toBe(store.ring().partitions);
  for (const list of preferenceLists) expect(new Set(list)).toEqual(new Set(['n1.0', 'n2.0', 'n3.0']));
  expect(() => (preferenceLists as string[][])[0]!.reverse()).toThrow(TypeError);
  expect(() => (preferenceLists as string[][]).pop()).toThrow(TypeError);
});

test('a put whose value could not be read back as asked is refused before it is written', async () => {
  const path = '/buckets/back/keys/k';
  for (const r of ['4', '99']) {
    const answer = await call(`${path}?returnbody=true&r=${r}`, { method: 'PUT', body: 'v' });
    expect([answer.status, answer.json()]).toMatchObject([
      400,
      { code: 'BAD_REQUEST', maybeApplied: false, details: { what: 'r', least: 1, most: 3 } },
    ]);
  }
  expect((await call(path)).json()).toMatchObject({ code: 'NOT_FOUND', details: { tombstone: false } });
  for (const r of ['3', 'all', 'default']) {
    const context = (await call(path)).headers['ringlet-context'];
    const headers = context === undefined ? {} : { 'Ringlet-Context': String(context) };
    const answer = await call(`${path}?returnbody=true&r=${r}`, { method: 'PUT', body: r, headers });
    expect([answer.status, answer.text]).toEqual([200, r]);
  }
});

test('a prefix longer than any key lists nothing, at once; the longest one lists the longest key', async () => {
  const longest = 'p'.repeat(1_900);
  await call(`/buckets/prefixes/keys/${longest}`, { method: 'PUT', body: 'v' });
  const { text } = await call(`/buckets/prefixes/keys?prefix=${longest}`);
  expect(JSON.parse(text)).toMatchObject({ key: longest });
  for (const prefix of ['p'.repeat(1_901), 'p'.repeat(20_000)]) {
    const answer = await call(`/buckets/prefixes/keys?prefix=${prefix}`);
    expect([answer.status, answer.text]).toEqual([200, '']);
  }
});
