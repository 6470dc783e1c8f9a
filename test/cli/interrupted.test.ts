import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { writeEndpoint } from '../../src/cli/endpoint.js';
import { HttpCaller } from '../../src/cli/http-call.js';
import { HttpTarget } from '../../src/cli/http-target.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from '../server/fake-store.js';
import { runHere } from './in-process.js';

const dir = mkdtempSync(join(tmpdir(), 'ringlet-interrupted-'));
let store: FakeStore;
let http: HttpServer;
beforeAll(async () => {
  store = new FakeStore();
  http = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1 << 20 });
});
afterAll(async () => {
  await http.close();
  rmSync(dir, { recursive: true });
});
afterEach(() => vi.restoreAllMocks());

/** Of those that are set in the test, the timers that would keep a process from ending. */
function timersLeft(): () => number {
  const running = new Set<unknown>();
  const [set, clear] = [globalThis.setInterval, globalThis.clearInterval];
  vi.spyOn(globalThis, 'setInterval').mockImplementation((...args: Parameters<typeof setInterval>) => {
    const timer = set(...args);
    running.add(timer);
    return timer;
  });
  vi.spyOn(globalThis, 'clearInterval').mockImplementation((timer) => {
    running.delete(timer);
    clear(timer);
  });
  return () => running.size;
}

/** Input that does not end, and of which no more comes. */
function endless(text: string): Readable {
  const input = new Readable({ read: () => undefined });
  input.push(text);
  return input;
}

/** Ctrl-C when so many puts have begun. */
function interruptAtPut(count: number): void {
  const { put } = HttpTarget.prototype;
  let puts = 0;
  vi.spyOn(HttpTarget.prototype, 'put').mockImplementation(function (this: HttpTarget, ...rest) {
    if (++puts === count) process.emit('SIGINT', 'SIGINT');
    return put.apply(this, rest);
  });
}

describe('a load', () => {
  test('with --resume ends, and leaves nothing, where the input is none', async () => {
    const file = join(dir, 'twice.csv');
    writeFileSync(file, 'id,id\n1,2\n');
    const left = timersLeft();
    const args = ['load', file, '--key', 'id', '--resume', '--url', http.address];
    expect(await runHere(args)).toMatchObject({ code: 2 });
    expect(left()).toBe(0);
    expect(existsSync(`${file}.ringlet-load`)).toBe(false);
  });

  test('that is interrupted while it waits for input has written what came, and says that it is not all', async () => {
    const left = timersLeft();
    interruptAtPut(2);
    const args = ['load', '-', '--bucket', 'in', '--key', 'id', '--json', '--url', http.address];
    const ended = await runHere(args, {}, { input: endless('{"id":1}\n{"id":2}\n{"id":') });
    expect(JSON.parse(ended.stdout)).toMatchObject({ written: 2, stopped: 'it was interrupted' });
    expect(ended).toMatchObject({
      code: 1,
      stderr: 'ringlet: ABORTED: the load ended early: it was interrupted\n',
    });
    expect((await store.bucket('in').get('2')).found).toBe(true);
    expect(left()).toBe(0);
  });

  test('that is interrupted notes how far it came', async () => {
    const file = join(dir, 'many.ndjson');
    const lines = Array.from({ length: 400 }, (_, i) => `{"id":${i + 1}}\n`);
    writeFileSync(file, lines.join(''));
    interruptAtPut(100);
    const args = [
      'load',
      file,
      '--bucket',
      'many',
      '--key',
      'id',
      '--resume',
      '--json',
      '--url',
      http.address,
    ];
    const first = JSON.parse((await runHere(args)).stdout) as { written: number };
    vi.restoreAllMocks();
    expect(first.written).toBeLessThan(400);
    const noted = JSON.parse(readFileSync(`${file}.ringlet-load`, 'utf8')) as { reached: { record: number } };
    expect(noted.reached.record).toBe(first.written);
    const second = JSON.parse((await runHere(args)).stdout) as object;
    expect(second).toMatchObject({ skipped: first.written, written: 400 - first.written, failed: 0 });
  });
});

test('an export that is interrupted ends its file behind a whole key, and goes on there', async () => {
  const bucket = store.bucket('out');
  for (let i = 0; i < 50; i++) await bucket.put(`k${i}`, 'v');
  const out = join(dir, 'out.ndjson');
  const args = ['export', '--bucket', 'out', '--out', out, '--resume', '--url', http.address];
  const { list } = HttpTarget.prototype;
  vi.spyOn(HttpTarget.prototype, 'list').mockImplementation(async function* (this: HttpTarget, ...rest) {
    let keys = 0;
    for await (const listed of list.apply(this, rest)) {
      if (++keys === 20) process.emit('SIGINT', 'SIGINT');
      yield listed;
    }
  });
  const first = await runHere(args);
  expect(first).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ringlet: ABORTED: .* 1\d keys\n$/),
  });
  vi.restoreAllMocks();
  expect(await runHere(args)).toMatchObject({ code: 0, stdout: expect.stringContaining(' more keys') });
  const keys = readFileSync(out, 'utf8').trimEnd().split('\n');
  expect(new Set(keys).size).toBe(50);
  expect(keys.length).toBe(50);
});

test('a reader that has seen enough ends a command in good order', async () => {
  await store.bucket('read').put('a', '1');
  const exit = vi.spyOn(process, 'exit').mockImplementation((() => undefined) as typeof process.exit);
  const close = vi.spyOn(HttpTarget.prototype, 'close');
  const refused = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' });
  const ended = await runHere(['scan', '--bucket', 'read', '--url', http.address], {}, { refused });
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  expect(exit).not.toHaveBeenCalled();
  expect(close).toHaveBeenCalledOnce();
});

test('a store that takes a connection and never answers is none', async () => {
  const silent = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const [target, caller] = [new HttpTarget(url), new HttpCaller(url)];
  expect(await target.instance(20)).toBeUndefined();
  await expect(caller.send({ method: 'PUT', path: '/', answerMs: 20 })).rejects.toMatchObject({
    code: 'IO',
    maybeApplied: true,
    message: expect.stringContaining('none within 0.02 s') as string,
  });
  await target.close();
  caller.close();
  await new Promise((resolve) => silent.close(resolve));
});

test('a store that does not answer any more is told from one that never ran', async () => {
  const status = ['status', '--data', dir];
  expect((await runHere(status)).stderr).toBe(
    `ringlet: IO: no store runs in ${dir}; start one with "ringlet serve", or name another with --data DIR or --url URL\n`,
  );
  const instance = 'none that answers there';
  await writeEndpoint(dir, { url: http.address, adminUrl: http.address, instance, pid: 4711, startedAt: '' });
  expect(await runHere(status)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('does not answer, its process 4711 was killed or hangs') as string,
  });
});

test('a backup does not make a file that is called "-"', async () => {
  const ended = await runHere(['backup', '-', '--url', http.address], { cwd: dir });
  expect(ended).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^ringlet: USAGE: FILE: /) as string,
  });
  expect(existsSync(join(dir, '-'))).toBe(false);
});
