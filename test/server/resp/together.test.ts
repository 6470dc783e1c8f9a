import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RespServer } from '../../../src/server/resp/server.js';
import { COMMANDS } from '../../../src/server/resp/table.js';
import { request } from './client.js';

/** A socket that takes everything at once. */
class FakeSocket extends EventEmitter {
  readonly writableLength = 0;
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

let socket: FakeSocket;
/** Ends the puts, in the order of their arrival. */
let puts: (() => Promise<void>)[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  socket = new FakeSocket();
  puts = [];
  const options = { valueBytes: 100, allowFlush: false, version: '1', report: () => undefined };
  const server = new RespServer({} as never, COMMANDS, options);
  server.keyspaces[0]!.quick = {
    locate: (bytes: Buffer, start: number, end: number) => Number(bytes.toString('latin1', start, end)),
    peek: (take: (words: Int32Array, word: number, bytes: number) => void) => {
      take(new Int32Array([0x64636261]), 0, 4);
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
