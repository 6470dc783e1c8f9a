import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { Client, ErrorReply, request } from './client.js';
import { Secret } from '../../../src/server/security/secret.js';
import { openDoor, VALUE_BYTES } from './harness.js';

const door = openDoor();
const MIB = 1 << 20;

describe('protocol', () => {
  test('HELLO switches to RESP3 and back', async () => {
    const client = await door.connect();
    expect(await client.call('HELLO', 2)).toContain('redis');
    const hello = (await client.call('HELLO', 3, 'SETNAME', 'me')) as Map<string, unknown>;
    expect(Object.fromEntries(hello)).toMatchObject({
      server: 'redis',
      proto: 3,
      role: 'master',
      mode: 'standalone',
    });
    expect(await client.call('CLIENT', 'GETNAME')).toBe('me');
    client.send(request('GET', 'none'));
    expect(await client.next()).toBeNull();
    expect(await client.call('CONFIG', 'GET', 'save')).toEqual(new Map([['save', '']]));
    expect(await client.error('HELLO', 4)).toBe('NOPROTO unsupported protocol version');
    expect(await client.error('HELLO', 3, 'FOO')).toBe("ERR Syntax error in HELLO option 'FOO'");
    expect(await client.call('RESET')).toBe('RESET');
    expect(await client.call('CONFIG', 'GET', 'save')).toEqual(['save', '']);
  });

  test('a name is kept as long as the connection, so that it is bounded', async () => {
    const client = await door.connect();
    expect(await client.call('CLIENT', 'SETNAME', 'n'.repeat(1_024))).toBe('OK');
    for (const words of [
      ['CLIENT', 'SETNAME', 'n'.repeat(1_025)],
      ['HELLO', '3', 'SETNAME', 'n'.repeat(1_025)],
    ])
      expect(await client.error(...words)).toBe('ERR Client names have at most 1024 bytes.');
    expect(await client.call('CLIENT', 'GETNAME')).toBe('n'.repeat(1_024));
  });

  test('inline commands, and replies of a pipeline in its order', async () => {
    const client = await door.connect();
    client.send('PING\r\nset "in line" \'v 1\'\r\n\r\nget "in line"\r\nping "a b"\n');
    expect([await client.next(), await client.next(), await client.next(), await client.next()]).toEqual([
      'PONG',
      'OK',
      'v 1',
      'a b',
    ]);
  });

  test('each request of a pipeline sees those before it', async () => {
    const client = await door.connect();
    const requests: Buffer[] = [];
    const expected: unknown[] = [];
    for (let i = 0; i < 300; i++) {
      const name = `p${i % 7}`;
      requests.push(
        request('SET', name, i),
        request('GET', name),
        request('EXISTS', name),
        request('INCR', `c${i % 3}`),
      );
      expected.push('OK', String(i), 1, Math.floor(i / 3) + 1);
    }
    const bytes = Buffer.concat(requests);
    // Cut where it hurts: in the middle of everything.
    for (let at = 0; at < bytes.length; at += 1_021) client.send(bytes.subarray(at, at + 1_021));
    const replies: unknown[] = [];
    for (let i = 0; i < expected.length; i++) replies.push(await client.next());
    expect(replies).toEqual(expected);
  });

  test('what was sent before the end of the input is answered', async () => {
    const client = await door.connect();
    client.socket.end(Buffer.concat([request('SET', 'half', 'open'), request('GET', 'half')]));
    expect([await client.next(), await client.next()]).toEqual(['OK', 'open']);
    await client.closed;
  });

  test('QUIT answers and closes; what follows it is not executed', async () => {
    const client = await door.connect();
    client.send(Buffer.concat([request('QUIT'), request('SET', 'after-quit', 1)]));
    expect(await client.next()).toBe('OK');
    await client.closed;
    expect(await (await door.connect()).call('EXISTS', 'after-quit')).toBe(0);
  });

  test.each(['*1\r\n$x\r\n', '*1\r\n:1\r\n', '*9999999\r\n', '$5\r\nhello\r\n"\r\n'])(
    'malformed %j gets an error and the connection is closed',
    async (text) => {
      const client = await door.connect();
      client.send(text);
      let last = '';
      while (!last.includes('Protocol error')) {
        const reply = await client.next();
        last = reply instanceof ErrorReply ? reply.text : '';
      }
      expect(last).toMatch(/^ERR Protocol error: /);
      await client.closed;
    },
  );

  test('a web page that posts to the port gets nothing', async () => {
    for (const text of [
      'POST / HTTP/1.1\r\nHost: x\r\n\r\nset a b\r\n',
      'GET / HTTP/1.1\r\nHost: x\r\nflushall\r\n',
    ]) {
      const client = await door.connect();
      client.send(text);
      await client.closed;
      expect(client.received.toString()).not.toContain('OK');
    }
  });
});

describe('errors read as those of Redis', () => {
  test.each([
    [['FOO', 'a', 'b'], "ERR unknown command 'FOO', with args beginning with: 'a' 'b' "],
    [['GET'], "ERR wrong number of arguments for 'get' command"],
    [['get', 'a', 'b'], "ERR wrong number of arguments for 'get' command"],
    [['CLIENT', 'FOO'], "ERR unknown subcommand 'FOO'. Try CLIENT HELP."],
    [['CLIENT', 'ID', 'x'], "ERR wrong number of arguments for 'client|id' command"],
    [['WATCH', 'a'], "ERR unknown command 'WATCH', with args beginning with: 'a' "],
    [['LPUSH', 'a', 'b'], "ERR unknown command 'LPUSH', with args beginning with: 'a' 'b' "],
    [['EVAL', 'return 1', '0'], "ERR unknown command 'EVAL', with args beginning with: 'return 1' '0' "],
    [['AUTH', 'x'], /^ERR AUTH <password> called without any password configured for the default user/],
    [['EXEC'], 'ERR EXEC without MULTI'],
    [['DISCARD'], 'ERR DISCARD without MULTI'],
  ] as [string[], string | RegExp][])('%j', async (words, text) => {
    const client = await door.connect();
    expect(await client.error(...words)).toMatch(text);
  });
});

test('large requests that have not come whole are bounded together: one more is refused and its connection closed', async () => {
  const port = await door.another({ heldBytes: 5 * MIB });
  const clients = await Promise.all([0, 1, 2].map(() => Client.connect(port)));
  const [one, other, small] = clients as [Client, Client, Client];
  const pairs = Array.from({ length: 20 }, (_, i) => [`p${i}`, Buffer.alloc(VALUE_BYTES, 'x')]).flat();
  const whole = request('MSET', ...pairs);
  for (const client of [one, other]) client.send(whole.subarray(0, -10));
  // Whose bytes are read last is the kernel's affair.
  const replies = [one, other].map(async (client) => ({ client, reply: await client.next() }));
  const refused = await Promise.race(replies);
  expect(refused.reply).toEqual(
    new ErrorReply(
      `ERR Protocol error: large requests and replies of all clients have ${5 * MIB} bytes together at most`,
    ),
  );
  await refused.client.closed;
  expect(await small.call('SET', 'small', 'b')).toBe('OK');
  const kept = refused.client === one ? 1 : 0;
  [one, other][kept]!.send(whole.subarray(-10));
  expect((await replies[kept]!).reply).toBe('OK');
  const again = await Client.connect(port);
  expect(await again.call('MSET', ...pairs)).toBe('OK');
  for (const client of [one, other, small, again]) client.close();
});

test('replies that nobody reads are bounded together: no further large one is begun, until they are gone', async () => {
  const port = await door.another({ heldBytes: 40 * MIB });
  const [slow, other] = [await Client.connect(port), await Client.connect(port)];
  await other.call('SET', 'long', Buffer.alloc(VALUE_BYTES, 'x'));
  const many = request('MGET', ...Array.from({ length: 170 }, () => 'long'));
  slow.socket.pause();
  slow.send(many);
  const few = request('MGET', ...Array.from({ length: 100 }, () => 'long'));
  let refused: unknown;
  while (!(refused instanceof ErrorReply)) {
    other.send(few);
    refused = await other.next();
  }
  expect(refused.text).toMatch(/^TRYAGAIN large requests and replies of all clients have /);
  expect(await other.text('GET', 'long')).toHaveLength(VALUE_BYTES);
  slow.close();
  for (refused = undefined; !Array.isArray(refused);) {
    other.send(few);
    refused = await other.next();
  }
  other.close();
});

describe('MULTI', () => {
  test('queues, and executes in order', async () => {
    const client = await door.connect();
    expect(await client.call('MULTI')).toBe('OK');
    for (const words of [
      ['SET', 'm', 5],
      ['INCR', 'm'],
      ['GETSET', 'm', 'x'],
      ['INCR', 'm'],
      ['SELECT', 4],
      ['GET', 'm'],
    ]) {
      expect(await client.call(...words)).toBe('QUEUED');
    }
    expect(await client.call('EXEC')).toEqual([
      'OK',
      6,
      '6',
      new ErrorReply('ERR value is not an integer or out of range'),
      'OK',
      null,
    ]);
  });

  test('the replies of an EXEC may be longer than one reply: they leave as they are read', async () => {
    const client = await door.connect();
    const [words, commands] = [200, 7];
    await client.call('SET', 'long', Buffer.alloc(VALUE_BYTES, 'x'));
    await client.call('MULTI');
    const mget = request('MGET', ...Array.from({ length: words }, () => 'long'));
    client.send(Buffer.concat(Array.from({ length: commands }, () => mget)));
    for (let i = 0; i < commands; i++) expect(await client.next()).toBe('QUEUED');
    const value = `$${VALUE_BYTES}\r\n`.length + VALUE_BYTES + 2;
    const expected = `*${commands}\r\n`.length + commands * (`*${words}\r\n`.length + words * value);
    expect(expected).toBeGreaterThan(LIMITS.respReplyBytes);
    let bytes = 0;
    client.socket.removeAllListeners('data');
    const whole = new Promise<void>((resolve, reject) => {
      client.socket.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes >= expected) resolve();
      });
      client.socket.once('close', () => reject(new Error(`closed after ${bytes} of ${expected} bytes`)));
    });
    client.send(request('EXEC'));
    await whole;
    expect(bytes).toBe(expected);
  });

  test('an EXEC whose client does not read is executed to its end', async () => {
    const slow = await door.connect();
    await slow.call('SET', 'long', Buffer.alloc(VALUE_BYTES, 'x'));
    await slow.call('MULTI');
    const many = Buffer.concat(Array.from({ length: 200 }, () => request('GET', 'long')));
    slow.send(Buffer.concat([request('INCR', 'at-the-beginning'), many, request('INCR', 'at-the-end')]));
    for (let i = 0; i < 202; i++) expect(await slow.next()).toBe('QUEUED');
    slow.socket.pause();
    slow.send(request('EXEC'));
    const other = await door.connect();
    const executed = async (name: string): Promise<void> => {
      while ((await other.call('GET', name)) !== '1') await nextTurn();
    };
    await executed('at-the-beginning');
    expect(await other.call('EXISTS', 'at-the-end')).toBe(0);
    slow.close();
    await executed('at-the-end');
  });

  test('transactions that are too large together are refused, those of the others stay', async () => {
    const port = await door.another({ heldBytes: 3 * MIB });
    const [one, other] = [await Client.connect(port), await Client.connect(port)];
    const value = Buffer.alloc(VALUE_BYTES, 'x');
    for (const client of [one, other]) expect(await client.call('MULTI')).toBe('OK');
    for (let i = 0; i < 10; i++) expect(await one.call('SET', `large-${i}`, value)).toBe('QUEUED');
    let refused: unknown = 'QUEUED';
    for (let i = 0; refused === 'QUEUED'; i++) {
      expect(i).toBeLessThan(10);
      refused = await other.call('SET', `other-${i}`, value);
    }
    expect(refused).toEqual(
      new ErrorReply(
        `TRYAGAIN large requests and replies of all clients have ${3 * MIB} bytes together at most`,
      ),
    );
    expect(await other.error('EXEC')).toMatch(/^EXECABORT/);
    expect(await one.call('EXEC')).toEqual(Array.from({ length: 10 }, () => 'OK'));
    await other.call('MULTI');
    for (let i = 0; i < 10; i++) expect(await other.call('SET', 'large', value)).toBe('QUEUED');
    for (const client of [one, other]) client.close();
  });

  test('a command that is refused spoils it', async () => {
    const client = await door.connect();
    await client.call('MULTI');
    expect(await client.error('GET')).toBe("ERR wrong number of arguments for 'get' command");
    expect(await client.call('SET', 'spoilt', 1)).toBe('QUEUED');
    expect(await client.error('EXEC')).toBe('EXECABORT Transaction discarded because of previous errors.');
    expect(await client.call('EXISTS', 'spoilt')).toBe(0);
    await client.call('MULTI');
    expect(await client.error('MULTI')).toBe('ERR MULTI calls can not be nested');
    expect(await client.call('SET', 'spoilt', 1)).toBe('QUEUED');
    expect(await client.call('DISCARD')).toBe('OK');
    expect(await client.call('EXISTS', 'spoilt')).toBe(0);
    for (const [words, error] of [
      [['CONFIG', 'BOGUS'], "ERR unknown subcommand 'BOGUS'. Try CONFIG HELP."],
      [['client', 'SetName'], "ERR wrong number of arguments for 'client|setname' command"],
      [['OBJECT', 'ENCODING'], "ERR wrong number of arguments for 'object|encoding' command"],
      [['COMMAND', 'COUNT', 'x'], "ERR wrong number of arguments for 'command|count' command"],
    ] as const) {
      await client.call('MULTI');
      expect(await client.error(...words)).toBe(error);
      expect(await client.call('SET', 'spoilt', 1)).toBe('QUEUED');
      expect(await client.error('EXEC')).toMatch(/^EXECABORT /);
    }
    expect(await client.call('EXISTS', 'spoilt')).toBe(0);
    await client.call('MULTI');
    for (const words of [['COMMAND'], ['CLIENT', 'HELP'], ['CLIENT', 'ID']])
      expect(await client.call(...words)).toBe('QUEUED');
    expect(await client.call('EXEC')).toHaveLength(3);
  });
});

describe('what the server says of itself', () => {
  test('INFO has what clients wait for', async () => {
    const client = await door.connect();
    const info = await client.text('INFO');
    expect(info).toContain('loading:0\r\n');
    expect(info).toContain('role:master\r\n');
    expect(info).toContain('redis_version:7.');
    expect(info).toContain('ringlet_version:1.2.3\r\n');
    expect(await client.text('INFO', 'replication')).not.toContain('loading');
  });

  test('COMMAND describes the table', async () => {
    const client = await door.connect();
    const count = await client.call('COMMAND', 'COUNT');
    const all = (await client.call('COMMAND')) as [string, number, string[], number, number, number][];
    expect(all).toHaveLength(Number(count));
    expect(all.find(([name]) => name === 'get')!.slice(0, 6)).toEqual([
      'get',
      2,
      ['readonly', 'fast'],
      1,
      1,
      1,
    ]);
    expect(await client.call('COMMAND', 'INFO', 'nope')).toEqual([null]);
    expect(await client.call('COMMAND', 'DOCS', 'set')).toEqual(['set', expect.arrayContaining(['summary'])]);
    const [seconds, microseconds] = (await client.call('TIME')) as string[];
    expect(Number(seconds)).toBeGreaterThan(1.7e9);
    expect(Number(microseconds)).toBeLessThan(1e6);
  });
});

describe('a password', () => {
  test('nothing but AUTH, HELLO, QUIT and RESET works before it', async () => {
    const port = await door.another({ secret: new Secret('secret') });
    const client = await Client.connect(port);
    expect(await client.error('GET', 'a')).toBe('NOAUTH Authentication required.');
    expect(await client.error('HELLO', 3)).toMatch(/^NOAUTH HELLO must be called/);
    expect(await client.error('AUTH', 'wrong')).toBe(
      'WRONGPASS invalid username-password pair or user is disabled.',
    );
    expect(await client.error('AUTH', 'other', 'secret')).toMatch(/^WRONGPASS /);
    expect(await client.call('AUTH', 'default', 'secret')).toBe('OK');
    expect(await client.call('GET', 'a')).toBeNull();
    expect(JSON.stringify(await client.call('CONFIG', 'GET', '*'))).not.toContain('secret');
    await client.call('RESET');
    expect(await client.error('GET', 'a')).toBe('NOAUTH Authentication required.');
    expect(await client.call('HELLO', 3, 'AUTH', 'default', 'secret')).toBeInstanceOf(Map);
    client.close();
  });

  test('before it requests have at most 10 words of 16 KiB', async () => {
    const port = await door.another({ secret: new Secret('secret') });
    for (const [text, error] of [
      ['*11\r\n', 'unauthenticated multibulk length'],
      ['*2\r\n$4\r\nAUTH\r\n$16385\r\n', 'unauthenticated bulk length'],
    ] as const) {
      const client = await Client.connect(port);
      client.send(text);
      expect(await client.next()).toEqual(new ErrorReply(`ERR Protocol error: ${error}`));
      await client.closed;
    }
  });
});

test('a client without the password is let go in the end, whatever it sends; one that had it stays', async () => {
  const port = await door.another({ secret: new Secret('secret'), loginMs: 1_000 });
  const [silent, busy, known] = await Promise.all([1, 2, 3].map(() => Client.connect(port)));
  expect(await known!.call('AUTH', 'secret')).toBe('OK');
  const chatter = setInterval(() => busy!.send(request('RESET')), 50);
  await Promise.all([silent!.closed, busy!.closed]);
  clearInterval(chatter);
  expect(await known!.call('PING')).toBe('PONG');
  await known!.call('RESET');
  await known!.closed;
});

test('a client that does not read its replies is not read from, and closed in the end', async () => {
  const port = await door.another({ slowReaderMs: 200 });
  const client = await Client.connect(port);
  await client.call('SET', 'big', 'x'.repeat(100_000));
  const id = Number(await client.call('CLIENT', 'ID'));
  client.socket.pause();
  // Replies of 400 MB.
  const flood = Buffer.concat(Array.from({ length: 4_000 }, () => request('GET', 'big')));
  client.socket.write(flood);
  const other = await Client.connect(port);
  const before = process.memoryUsage().arrayBuffers;
  for (let there = true; there;) {
    there = (await other.text('CLIENT', 'LIST')).includes(`id=${id} `);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
  }
  other.close();
  client.close();
});
