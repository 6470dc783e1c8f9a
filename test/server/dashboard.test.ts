import { request, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
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
