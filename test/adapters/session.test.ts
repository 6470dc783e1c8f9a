import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import express from 'express';
import session, { Cookie, type SessionData } from 'express-session';
import { expect, onTestFinished, test } from 'vitest';
import { failure, openSmall, refusal, temporary, until } from '../integration/support.js';
import { RingletSessionStore, sharedStore } from './support.js';

declare module 'express-session' {
  interface SessionData {
    visits: number;
  }
}

const shared = sharedStore();
const HOUR_MS = 3_600_000;

type SessionStore = InstanceType<typeof RingletSessionStore>;
const fresh = (ttlMs?: number): { store: SessionStore; bucket: string } => {
  const bucket = shared.fresh();
  const options = ttlMs === undefined ? {} : { ttlMs };
  return { bucket, store: new RingletSessionStore({ store: shared.store, bucket }, options) };
};

/** Its methods as promises. */
const calls = (store: SessionStore) => ({
  get: promisify(store.get.bind(store)),
  set: promisify(store.set.bind(store)),
  touch: promisify(store.touch.bind(store)),
  destroy: promisify(store.destroy.bind(store)),
  all: promisify(store.all.bind(store)),
  length: promisify(store.length.bind(store)),
  clear: promisify(store.clear.bind(store)),
});

const data = (maxAge: number | undefined, visits = 1): SessionData => {
  const cookie = new Cookie();
  if (maxAge !== undefined) cookie.maxAge = maxAge;
  return { cookie, visits };
};

/** When the session ends, in hours from now; undefined if it is not there. */
async function hoursLeft(bucket: string, sid: string): Promise<number | undefined> {
  const [found] = (await shared.store.bucket(bucket).get(sid)).siblings;
  return found && Math.round((found.expiresAtMs! - Date.now()) / HOUR_MS);
}

/** A server that counts visits, and its visitors, who keep their cookies. */
async function serve(store: SessionStore, cookie: session.CookieOptions = {}) {
  const app = express();
  app.use(session({ store, secret: 's', resave: false, saveUninitialized: false, cookie }));
  app.get('/visit', (request, response) => {
    request.session.visits = (request.session.visits ?? 0) + 1;
    response.send(String(request.session.visits));
  });
  app.get('/look', (request, response) => void response.send(String(request.session.visits ?? 'nobody')));
  app.get('/renew', (request, response, next) => {
    request.session.regenerate((error) => (error ? next(error) : response.send('renewed')));
  });
  app.get('/leave', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.send('bye')));
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return () => {
    let kept: string | undefined;
    return async (path: string): Promise<string> => {
      const headers = kept === undefined ? {} : { cookie: kept };
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
      kept = response.headers.get('set-cookie')?.split(';')[0] ?? kept;
      return response.ok ? await response.text() : `status ${response.status}`;
    };
  };
}

test('visitors of an express server keep what they did, each their own', async () => {
  const { store } = fresh();
  const visitor = await serve(store, { maxAge: HOUR_MS });
  const [ada, bob] = [visitor(), visitor()];
  expect([await ada('/visit'), await ada('/visit'), await bob('/visit')]).toEqual(['1', '2', '1']);
  expect(await calls(store).length()).toBe(2);
  expect(await ada('/renew')).toBe('renewed');
  expect(await ada('/look')).toBe('nobody');
  expect([await bob('/leave'), await bob('/look'), await bob('/visit')]).toEqual(['bye', 'nobody', '1']);
});

test('looking prolongs a session, and does not write it', async () => {
  const { store, bucket } = fresh();
  const visit = (await serve(store, { maxAge: 2 * HOUR_MS }))();
  await visit('/visit');
  const [{ id: sid }] = (await calls(store).all()) as unknown as [{ id: string }];
  const stored = shared.store.bucket(bucket);
  const before = (await stored.get(sid)).siblings[0]!;
  await stored.touch(sid, HOUR_MS / 2);
  expect(await visit('/look')).toBe('1');
  expect(await hoursLeft(bucket, sid)).toBe(2);
  expect((await stored.get(sid)).siblings[0]!.modifiedAtMs).toBe(before.modifiedAtMs);
});

test('a session ends with its cookie; one without an end after the store’s time', async () => {
  const { store, bucket } = fresh(5 * HOUR_MS);
  const sessions = calls(store);
  await sessions.set('limited', data(HOUR_MS));
  await sessions.set('unlimited', data(undefined));
  expect([await hoursLeft(bucket, 'limited'), await hoursLeft(bucket, 'unlimited')]).toEqual([1, 5]);
  await sessions.touch('limited', data(3 * HOUR_MS));
  await sessions.touch('unlimited', data(undefined));
  await sessions.touch('none', data(HOUR_MS));
  expect(await hoursLeft(bucket, 'limited')).toBe(3);
  expect(await hoursLeft(bucket, 'none')).toBeUndefined();
  // As it comes back from JSON, and when it is over.
  await sessions.set('limited', JSON.parse(JSON.stringify(data(2 * HOUR_MS))) as SessionData);
  expect(await hoursLeft(bucket, 'limited')).toBe(2);
  await sessions.set('limited', data(-1));
  expect(await sessions.get('limited')).toBeNull();
  await sessions.set('short', data(20));
  await until('it has ended', async () => (await sessions.get('short')) === null);
  expect(await sessions.length()).toBe(1);
  const day = fresh();
  await calls(day.store).set('s', data(undefined));
  expect(await hoursLeft(day.bucket, 's')).toBe(24);
});

test('all, length, destroy and clear', async () => {
  const { store } = fresh();
  const sessions = calls(store);
  expect([await sessions.all(), await sessions.length()]).toEqual([[], 0]);
  for (const [i, sid] of ['a', 'b', 'c'].entries()) await sessions.set(sid, data(HOUR_MS, i));
  const all = (await sessions.all()) as unknown as { id: string; visits: number }[];
  expect(all.map(({ id, visits }) => `${id} ${visits}`).sort()).toEqual(['a 0', 'b 1', 'c 2']);
  await sessions.destroy('b');
  await sessions.destroy('none');
  expect([await sessions.get('b'), (await sessions.get('c'))!.visits, await sessions.length()]).toEqual([
    null,
    2,
    2,
  ]);
  await sessions.clear();
  expect(await sessions.length()).toBe(0);
});

test('errors go to the callback, or to listeners where there is none', async () => {
  const { store } = fresh();
  const sessions = calls(store);
  expect((await failure(sessions.get('s'.repeat(1_901)))).code).toBe('KEY_TOO_LARGE');
  expect((await failure(sessions.set('s', data(Number.NaN)))).code).toBe('BAD_REQUEST');
  const heard = once(store, 'error');
  expect(() => store.destroy('s'.repeat(1_901))).not.toThrow();
  // `once` rejects for errors; here they are what is waited for.
  await expect(heard).resolves.toMatchObject([{ code: 'KEY_TOO_LARGE' }]);
  expect(() => new RingletSessionStore({ store: shared.store }, { ttlMs: 0 })).toThrow(/ttlMs/);
  const misspelt = { ttl: 60 } as never;
  expect(() => new RingletSessionStore({ store: shared.store }, misspelt)).toThrow(
    /"ttl", expected one of ttlMs/,
  );
});

test('sessions outlive a restart', async () => {
  const target = { open: { data: join(temporary(), 'data'), nodes: 1, memoryMiB: 32, partitions: 4 } };
  const first = new RingletSessionStore(target);
  await calls(first).set('s', data(HOUR_MS, 7));
  await first.close();
  expect(await refusal(calls(first).get('s'))).toMatchObject(['CLOSED', {}]);
  const second = new RingletSessionStore(target);
  onTestFinished(() => second.close());
  expect((await calls(second).get('s'))!.visits).toBe(7);
});

test('with a node down sessions are read and changed, and those that it would prolong cause no error', async () => {
  const store = await openSmall('memory', { allowFaults: true, partitions: 8 });
  const sessions = new RingletSessionStore({ store });
  const visitors = await serve(sessions, { maxAge: HOUR_MS });
  const many = Array.from({ length: 3 }, visitors);
  for (const one of many) expect(await one('/visit')).toBe('1');
  let unlucky = 's';
  while ((await store.bucket('sessions').inspect(unlucky)).preferenceList[0]!.node !== 'n1') unlucky += 's';
  await calls(sessions).set(unlucky, data(HOUR_MS));
  store.faults.inject({ kind: 'stop', at: 'n1', forMs: 60_000 });
  await until('n1 is down', () => store.stats().vnodes[0]!.state === 'stopped');
  for (const one of many) expect([await one('/look'), await one('/visit')]).toEqual(['1', '2']);
  await calls(sessions).touch(unlucky, data(HOUR_MS));
  expect((await calls(sessions).get(unlucky))!.visits).toBe(1);
});
