import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Feed } from '../../src/server/dashboard/feed.js';
import { DASHBOARD_FILES } from '../../src/server/dashboard/files.js';
import { call, expectProblem, fake, useFakeStore } from './harness.js';

useFakeStore();

test('the page and its files are served with a policy that allows nothing else', async () => {
  for (const name of DASHBOARD_FILES) {
    const answer = await call(name === 'index.html' ? '/' : `/dashboard/${name}`);
    expect([answer.status, answer.headers['x-content-type-options']]).toEqual([200, 'nosniff']);
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    // Whatever the page needs is one of these files.
    for (const [, used] of answer.text.matchAll(/(?:from '\.\/|\/dashboard\/)([\w.]+)/g)) {
      expect(DASHBOARD_FILES as readonly string[]).toContain(used);
    }
    expect(answer.text).not.toMatch(/\son\w+="|\sstyle="|javascript:|innerHTML/);
  }
  expectProblem(await call('/dashboard/../package.json'), 404, 'ROUTE_NOT_FOUND');
  expectProblem(await call('/dashboard/%2e%2e%2fpackage.json'), 404, 'ROUTE_NOT_FOUND');
});

function watch(): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const sent = request(`${fake.http.address}/admin/events`, { agent: false }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}

test('whoever watches is told owners and moment at once; a server that closes ends the feed', async () => {
  const feed = await watch();
  expect(feed.headers['content-type']).toBe('text/event-stream');
  let text = '';
  feed.on('data', (data) => (text += String(data)));
  await expect.poll(() => text).toMatch(/^event: owners\ndata: .*\n\nevent: moment\ndata: (.*)\n\n/);
  const moment = JSON.parse(/event: moment\ndata: (.*)\n/.exec(text)![1]!) as Record<string, unknown>;
  expect(Object.keys(moment).toSorted()).toEqual(['atMs', 'buckets', 'pace', 'ring', 'stats']);
  const ended = new Promise((resolve) => feed.on('end', resolve));
  await fake.http.close();
  await ended;
});

test('owners are told once, and again when they are others', async () => {
  const feed = await watch();
  let text = '';
  feed.on('data', (data) => (text += String(data)));
  const told = (event: string): number => text.split(`event: ${event}\n`).length - 1;
  const moments = async (count: number): Promise<void> =>
    await expect.poll(() => told('moment'), { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
  await moments(3);
  expect(told('owners')).toBe(1);
  fake.store.lists = fake.store.lists.toReversed();
  await moments(told('moment') + 2);
  expect(told('owners')).toBe(2);
  feed.destroy();
});

test('more pages than there is room for are asked to come again', async () => {
  const feeds = await Promise.all(Array.from({ length: 32 }, watch));
  const refused = await call('/admin/events');
  expectProblem(refused, 429, 'OVERLOADED');
  expect(refused.headers['retry-after']).toBe('1');
  const [first, ...rest] = feeds;
  first!.destroy();
  await expect
    .poll(async () => {
      const feed = await watch();
      rest.push(feed);
      return feed.statusCode;
    })
    .toBe(200);
  for (const feed of rest) feed.destroy();
});

test('pages whose requests wait behind others on a connection take no place, and the first gives its own back', async () => {
  const socket = connect(Number(new URL(fake.http.address).port), '127.0.0.1');
  socket.write('GET /admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(32));
  await new Promise((resolve) => socket.once('data', resolve));
  const feeds = await Promise.all(Array.from({ length: 32 }, watch));
  expect(feeds.filter(({ statusCode }) => statusCode === 200)).toHaveLength(31);
  socket.destroy();
  await expect
    .poll(async () => {
      const feed = await watch();
      feeds.push(feed);
      return feed.statusCode;
    })
    .toBe(200);
  for (const feed of feeds) feed.destroy();
});

test('nothing is written to a page that has not read the end of its feed yet', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const feed = new Feed(fake.store);
  const errors: Error[] = [];
  const server = createServer();
  const asked = new Promise<ServerResponse>((resolve) => {
    server.on('request', (_, response: ServerResponse) => resolve(response));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const response = await asked;
  response.on('error', (error) => errors.push(error));
  // As if it took nothing.
  response.socket!.cork();
  feed.watch(response, new AbortController().signal);
  await vi.advanceTimersByTimeAsync(0);
  feed.close();
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(2_000);
  client.destroy();
  await new Promise((resolve) => server.close(resolve));
  expect(errors).toEqual([]);
});
