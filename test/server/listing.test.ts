import { afterEach, beforeEach, expect, test } from 'vitest';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';
import { begin, send } from './raw-client.js';

let store: FakeStore;
let http: HttpServer;
const reported: unknown[] = [];

beforeEach(async () => {
  store = new FakeStore();
  const report = (error: unknown): void => void reported.push(error);
  http = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1_000, report });
});
afterEach(() => http.close());

interface Line {
  key?: string;
  keyBase64?: string;
  cursor: string;
  context: string;
  siblings: number;
  values?: { value: string; contentType: string }[];
}

async function list(query: string): Promise<Line[]> {
  const answer = await send(http.address, `/buckets/b/keys?${query}`);
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/x-ndjson');
  const lines = answer.text.split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => JSON.parse(line) as Line);
}

async function fill(keys: number): Promise<void> {
  for (let i = 0; i < keys; i++) await store.bucket('b').put(`key-${i}`, `value ${i}`);
}

test('an empty bucket is an empty listing', async () => {
  expect(await list('')).toEqual([]);
});

test('every key is listed once, with its context and the number of its siblings', async () => {
  await fill(3);
  await store.bucket('b').put('key-1', 'another');
  const lines = await list('');
  expect(lines.map(({ key, siblings }) => [key, siblings])).toEqual([
    ['key-0', 1],
    ['key-1', 2],
    ['key-2', 1],
  ]);
  expect(lines[1]!.context).toBe(String((await store.bucket('b').get('key-1')).context));
  expect(lines[0]!.values).toBeUndefined();
});

test('values=true adds the values', async () => {
  await fill(1);
  const [line] = await list('values=true');
  expect(Buffer.from(line!.values![0]!.value, 'base64').toString()).toBe('value 0');
});

test('pages with limit and cursor cover all keys exactly once', async () => {
  await fill(100);
  const seen: string[] = [];
  for (let cursor = ''; ;) {
    const page = await list(`limit=7${cursor}`);
    seen.push(...page.map((line) => line.key!));
    if (page.length < 7) break;
    cursor = `&cursor=${page.at(-1)!.cursor}`;
  }
  expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => `key-${i}`));
});

test('a prefix may be any bytes; keys that are no UTF-8 come in base64', async () => {
  await fill(2);
  await store.bucket('b').put(Uint8Array.from([0xff, 1]), '');
  await store.bucket('b').put('a b', '');
  expect((await list('prefix=key-')).length).toBe(2);
  expect(await list('prefix=%FF')).toMatchObject([{ keyBase64: '/wE=' }]);
  expect(await list('prefix=a+b')).toMatchObject([{ key: 'a b' }]);
});

test('a bad limit is 400', async () => {
  for (const limit of ['0', '-1', 'x', '1e3']) {
    expect((await send(http.address, `/buckets/b/keys?limit=${limit}`)).status).toBe(400);
  }
});

test('a fault in the middle ends in an error line and an aborted connection, without inner details', async () => {
  await fill(1_000);
  store.scanFailsAt = 900;
  const { request, answer } = begin(http.address, '/buckets/b/keys');
  let text = '';
  request.on('response', (response) => response.on('data', (part) => (text += String(part))));
  await expect(answer).rejects.toThrow('aborted');
  const last = text.trimEnd().split('\n').at(-1)!;
  expect(JSON.parse(last)).toMatchObject({ error: { code: 'INTERNAL', status: 500 } });
  expect(text).not.toContain('secret');
  expect(reported.length).toBe(1);
});

test('a client that reads nothing stops the scan, and one that leaves ends it', async () => {
  await fill(40_000);
  const ended = new Promise<void>((resolve) => (store.scanEnded = resolve));
  const { request, answer } = begin(http.address, '/buckets/b/keys?values=true');
  answer.catch(() => undefined);
  const response = await new Promise<import('node:http').IncomingMessage>((resolve) =>
    request.on('response', resolve),
  );
  response.pause();
  let before = -1;
  await expect
    .poll(
      () => {
        const still = store.scanned === before;
        before = store.scanned;
        return still;
      },
      { interval: 100 },
    )
    .toBe(true);
  expect(store.scanned).toBeLessThan(39_000);
  expect(store.lastSignal!.aborted).toBe(false);
  request.destroy();
  await ended;
  expect(store.lastSignal!.aborted).toBe(true);
});
