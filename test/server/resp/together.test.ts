import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import { RespServer } from '../../../src/server/resp/server.js';
import { COMMANDS } from '../../../src/server/resp/table.js';
import { request } from './client.js';

/** A socket that takes everything at once. */
class FakeSocket extends EventEmitter {
  writableLength = 0;
  readonly destroyed = false;
  readonly sent: string[] = [];
  setNoDelay(): void {}
  end(): void {}
  destroy(): void {}
  write(bytes: Buffer): void {
    this.sent.push(bytes.toString('latin1'));
  }
}

const OK = '+OK\r\n';

const MiB = 1 << 20;
/** As long as its words: the values of the tests about long ones. */
const LONG = new Int32Array(25_000);

let socket: FakeSocket;
/** What every key has. */
let value: Int32Array;
/** How many gets were answered. */
let peeks: number;
let server: RespServer;
/** Ends the puts, in the order of their arrival. */
let puts: (() => Promise<void>)[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  socket = new FakeSocket();
  puts = [];
  peeks = 0;
  value = new Int32Array([0x64636261]);
  const options = { valueBytes: 100, allowFlush: false, version: '1', report: () => undefined };
  server = new RespServer({} as never, COMMANDS, options);
  server.keyspaces[0]!.quick = {
    locate: (bytes: Buffer, start: number, end: number) => Number(bytes.toString('latin1', start, end)),
    peek: (take: (words: Int32Array, word: number, bytes: number) => void) => {
      peeks++;
      take(value, 0, value.byteLength);
      return true;
    },
    put: (...given: unknown[]) => {
      const [waiter, place] = given.slice(-2) as [
        { putDone(place: number, failure: undefined, key: unknown, vector: []): void },
        number,
      ];
      puts.push(async () => {
        waiter.putDone(place, undefined, { length: 1, copyTo: () => undefined }, []);
        await nextTurn();
      });
      return true;
    },
  } as never;
  server.accept(socket as never);
});
afterEach(() => vi.useRealTimers());

function send(...requests: Buffer[]): void {
  socket.emit('data', Buffer.concat(requests));
}

test('replies to requests that came together leave together, whenever they are there', async () => {
  send(request('SET', 1, 'a'), request('GET', 2), request('SET', 3, 'c'));
  await puts[1]!();
  expect(socket.sent).toEqual([]);
  await puts[0]!();
  expect(socket.sent).toEqual([`${OK}$4\r\nabcd\r\n${OK}`]);
});

test('a late reply keeps those before it for a millisecond', async () => {
  send(request('GET', 1), request('SET', 2, 'b'), request('SET', 3, 'c'));
  await puts[0]!();
  expect(socket.sent).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(socket.sent).toEqual([`$4\r\nabcd\r\n${OK}`]);
  await puts[1]!();
  expect(socket.sent.slice(1)).toEqual([OK]);
});

test('what came later keeps nothing back', async () => {
  send(request('SET', 1, 'a'), request('SET', 2, 'b'));
  send(request('SET', 3, 'c'));
  await puts[0]!();
  await puts[1]!();
  expect(socket.sent).toEqual([OK + OK]);
  await puts[2]!();
  expect(socket.sent.slice(1)).toEqual([OK]);
});

test('behind a put wait replies of a bounded length; they leave in parts, and the other requests are executed then', async () => {
  value = LONG;
  const gets = 100;
  send(request('SET', 1, 'a'), ...Array.from({ length: gets }, (_, i) => request('GET', 2 + i)));
  expect(peeks).toBe(Math.ceil(MiB / value.byteLength));
  await puts[0]!();
  const reply = `$${value.byteLength}\r\n`;
  expect(socket.sent.join('').split(reply)).toHaveLength(1 + gets);
  expect(Math.max(...socket.sent.map(({ length }) => length))).toBeLessThan(3 * value.byteLength);
});

test('replies that are there wait too while the client does not read', async () => {
  value = LONG;
  send(request('SET', 1, 'a'), request('GET', 2), request('GET', 3), request('GET', 4));
  socket.writableLength = 2 * MiB;
  await puts[0]!();
  expect(socket.sent.join('').length).toBeLessThan(2 * value.byteLength);
  socket.writableLength = 0;
  socket.emit('drain');
  expect(socket.sent.join('')).toHaveLength(
    OK.length + 3 * (`$${value.byteLength}\r\n`.length + value.byteLength + 2),
  );
});

test('MGET reads no more than fits into a reply, however often a long value is named', async () => {
  const long = Buffer.alloc(4 * MiB);
  let reads = 0;
  server.keyspaces[0]!.get = async () => {
    reads++;
    await nextTurn();
    return long;
  };
  send(request('MGET', ...Array.from({ length: 10_000 }, () => 'k')));
  await vi.waitUntil(() => socket.sent.length > 0, { timeout: 30_000 });
  expect(socket.sent).toEqual([`-ERR the reply has more than ${LIMITS.respReplyBytes} bytes\r\n`]);
  expect(reads).toBeLessThanOrEqual(2 * LIMITS.respKeysAtOnce);
});
