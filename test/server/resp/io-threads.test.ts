import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { Redis } from 'ioredis';
import { createClient } from 'redis6';
import { afterEach, expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { DoorCounts } from '../../../src/server/resp/io/door-counts.js';
import { Secret } from '../../../src/server/security/secret.js';
import { Client, request } from './client.js';
import { openDoor, type ThreadedDoor } from './harness.js';

const door = openDoor();
const clients: Client[] = [];
const THREADS = 2;

function closeAll(): void {
  for (const client of clients.splice(0)) client.close();
}
afterEach(closeAll);

async function connect(port: number): Promise<Client> {
  const client = await Client.connect(port);
  clients.push(client);
  return client;
}

/** The numbers of all connections of the thread that serves this one. */
async function sameThread(client: Client): Promise<string[]> {
  const list = (await client.call('CLIENT', 'LIST')) as string;
  return list.split('\n').flatMap((line) => /^id=(\d+)/.exec(line)?.[1] ?? []);
}

/** Connections until both threads have some: by the number of the client. */
async function spread({ port }: ThreadedDoor): Promise<{ ids: string[]; lists: string[][] }> {
  const ids: string[] = [];
  for (;;) {
    const batch = await Promise.all(Array.from({ length: 16 }, () => connect(port)));
    for (const client of batch) ids.push(`${(await client.call('CLIENT', 'ID')) as number}`);
    const lists = [await sameThread(clients[0]!)];
    const other = clients[ids.findIndex((id) => !lists[0]!.includes(id))];
    if (other !== undefined) return { ids, lists: [lists[0]!, await sameThread(other)] };
  }
}

test('connections are spread over the threads; each has its number, its database and its password', async () => {
  const threaded = await door.threaded({ secret: new Secret('open sesame') }, THREADS);
  expect(threaded.workers).toHaveLength(THREADS - 1);
  const locked = await connect(threaded.port);
  expect(await locked.error('GET', 'a')).toBe('NOAUTH Authentication required.');
  expect(await locked.error('AUTH', 'wrong')).toMatch(/^WRONGPASS/);
  locked.close();
  clients.length = 0;
  const redis = await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const client = await connect(threaded.port);
      expect(await client.call('AUTH', 'open sesame')).toBe('OK');
      expect(await client.call('SELECT', i % 3)).toBe('OK');
      expect(await client.call('SET', `io ${i}`, i)).toBe('OK');
      return client;
    }),
  );
  for (const [i, client] of redis.entries()) {
    const reader = redis[(i + 3) % 24]!;
    expect(await reader.call('GET', `io ${i}`), 'the same database, whatever thread').toBe(String(i));
    expect(await redis[(i + 1) % 24]!.call('EXISTS', `io ${i}`), 'another database').toBe(0);
    expect(await client.call('INCR', `sum ${i % 3}`)).toBeGreaterThan(0);
  }
  expect(new Set(await Promise.all(redis.map((client) => client.call('CLIENT', 'ID')))).size).toBe(24);
  await expect.poll(() => redis[0]!.call('INFO')).toContain('connected_clients:24');
});

test('read-modify-writes over all threads are exact; ioredis and node-redis see one server', async () => {
  const threaded = await door.threaded({}, THREADS);
  await spread(threaded);
  const some = clients.slice(0, 16);
  for (const client of some) for (let i = 0; i < 20; i++) client.send(request('INCR', 'io-counter'));
  for (const client of some) for (let i = 0; i < 20; i++) await client.next();
  const redis = new Redis({ port: threaded.port, host: '127.0.0.1' });
  const node = createClient({ url: `redis://127.0.0.1:${threaded.port}` });
  try {
    expect(await redis.get('io-counter')).toBe(String(some.length * 20));
    await node.connect();
    await node.set('io-node', 'a value');
    expect(await redis.get('io-node')).toBe('a value');
  } finally {
    redis.disconnect();
    node.destroy();
  }
});

test('a thread that dies takes its connections with it, and nothing else; another takes its place', async () => {
  const threaded = await door.threaded({}, THREADS);
  const { ids, lists } = await spread(threaded);
  const [first] = threaded.workers;
  await first!.terminate();
  // Whoever is left answers; whoever is not was of the thread that died.
  const left = await Promise.all(clients.map((client) => client.call('PING').catch(() => 'closed')));
  const alive = ids.filter((_, i) => left[i] === 'PONG');
  expect(left.filter((one) => one === 'closed').length).toBe(ids.length - alive.length);
  expect(alive.length).toBeGreaterThan(0);
  expect(alive.length).toBeLessThan(ids.length);
  expect(lists.map((list) => list.filter((id) => alive.includes(id)).length)).toContain(0);
  const again = await connect(threaded.port);
  expect(await again.call('SET', 'after', 'the death')).toBe('OK');
  expect(await again.call('INFO', 'clients')).toContain(`connected_clients:${alive.length + 1}`);
  await expect.poll(() => threaded.serving).toBe(2 * (THREADS - 1));
  expect(threaded.reported.map(String)).toEqual([
    expect.stringContaining('thread 1 of the Redis door has ended'),
  ]);
  closeAll();
  await spread(threaded);
});

test('TLS connections are spread over the threads too', async () => {
  const fixtures = join(import.meta.dirname, '..', 'fixtures');
  const [cert, key] = ['tls-cert.pem', 'tls-key.pem'].map((name) => readFileSync(join(fixtures, name)));
  const { port } = await door.threaded({}, THREADS, { cert: cert!, key: key! });
  const sockets: TLSSocket[] = [];
  /** How many connections the thread of a new one has. */
  const neighbours = async (): Promise<number> => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: cert });
    sockets.push(socket);
    await once(socket, 'secureConnect');
    socket.write('CLIENT LIST\r\n');
    return String((await once(socket, 'data'))[0]).split('addr=127.0.0.1').length - 1;
  };
  try {
    expect(await neighbours()).toBe(1);
    // Until one is not among all the others.
    while ((await neighbours()) === sockets.length);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test('closing answers what has arrived in every thread, then refuses connections', async () => {
  const threaded = await door.threaded({}, THREADS);
  await spread(threaded);
  for (const client of clients) client.send(request('SET', 'drained', 'x'));
  const last = await Promise.all(clients.map((client) => client.next()));
  expect(last.every((reply) => reply === 'OK')).toBe(true);
  for (const client of clients) client.send(request('GET', 'drained'));
  const answers = Promise.all(clients.map((client) => client.next()));
  // The requests are on their way; those that have come when it closes are answered.
  await expect(answers).resolves.toEqual(clients.map(() => 'x'));
  await threaded.close();
  await Promise.all(clients.map((client) => client.closed));
  await expect(Client.connect(threaded.port)).rejects.toThrow('ECONNREFUSED');
  expect(threaded.reported).toEqual([]);
});

test('the limit on connections holds over all threads, and what a dead thread had is free again', () => {
  const first = DoorCounts.create(3);
  const [second, third] = [new DoorCounts(first.shared, 1), new DoorCounts(first.shared, 2)];
  const threads = [first, second, third];
  for (let i = 0; i < LIMITS.respConnections; i++)
    expect(threads[i % 3]!.enter(LIMITS.respConnections)).toBe(true);
  for (const thread of threads) expect(thread.enter(LIMITS.respConnections)).toBe(false);
  expect(first.open).toBe(LIMITS.respConnections);
  expect(third.connectionsReceived).toBe(LIMITS.respConnections + 3);
  second.leave();
  expect(third.enter(LIMITS.respConnections)).toBe(true);
  first.ended(2);
  expect(first.open).toBeLessThan(LIMITS.respConnections);
  expect(first.enter(LIMITS.respConnections)).toBe(true);
  first.processed();
  third.processed();
  expect(second.commandsProcessed).toBe(2);
  expect(new Set(threads.map((thread) => thread.nextConnection())).size).toBe(3);
});
