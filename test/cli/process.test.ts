import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { SectionWriter } from '../../src/host/backup/format.js';
import { runHere } from './in-process.js';
import { run, start, type Running } from './spawn.js';

/** Whole processes on the real store, each in a directory of its own, on ports from the system. */
const dir = mkdtempSync(join(tmpdir(), 'ringlet-process-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const started: Running[] = [];
afterEach(async () => {
  for (const { child, finished } of started.splice(0)) {
    child.kill('SIGKILL');
    await finished;
  }
});

let directories = 0;
const newDirectory = (): string => join(dir, `data-${directories++}`);
const SMALL = ['--nodes', '3', '--memory', '64'];

function serve(data: string, ...more: string[]): Running {
  const running = start(['serve', '--http', '127.0.0.1:0', '--data', data, ...SMALL, ...more], { cwd: dir });
  started.push(running);
  return running;
}

async function stop({ child, finished }: Running): Promise<void> {
  child.kill('SIGTERM');
  expect(await finished).toMatchObject({ code: 0, signal: null, stderr: '' });
}

async function store(url: string, key: string, value: string): Promise<void> {
  expect((await fetch(`${url}/buckets/b/keys/${key}`, { method: 'PUT', body: value })).status).toBe(204);
}

describe('serve', () => {
  test('prints a screen whose last line is the address, writes endpoint.json, and stops cleanly at SIGTERM', async () => {
    const data = newDirectory();
    const running = serve(data);
    const url = await running.ready;
    const screen = running.stdout();
    const resp = /\nready \S+ (resp:\/\/127\.0\.0\.1:\d+)\n$/.exec(screen)?.[1];
    expect(screen.endsWith(`ready ${url} ${resp}\n`)).toBe(true);
    expect(screen).toContain('3 nodes, 3 virtual nodes, 64 partitions');
    expect(screen).toContain('N=3 R=2 W=2, buffered');
    expect(screen).toContain('at most the last 20 ms');
    expect(screen).toContain('new data directory');
    expect(screen.split('\n').length).toBeLessThan(24);

    const file = join(data, 'endpoint.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ url, resp, pid: running.child.pid });
    await store(url, 'k', 'kept');
    await stop(running);
    expect(existsSync(file)).toBe(false);
  });

  test('a second start continues with the same data, after SIGTERM and after SIGKILL', async () => {
    const data = newDirectory();
    const first = serve(data, '--durability', 'committed');
    await store(await first.ready, 'k', 'kept');
    await stop(first);

    const second = serve(data, '--durability', 'committed');
    expect(await (await fetch(`${await second.ready}/buckets/b/keys/k`)).text()).toBe('kept');
    expect(second.stdout()).toContain('continued after a clean stop');
    await store(await second.ready, 'k2', 'committed');
    second.child.kill('SIGKILL');
    await second.finished;
    expect(existsSync(join(data, 'endpoint.json'))).toBe(true);

    const third = serve(data, '--durability', 'committed');
    expect(await (await fetch(`${await third.ready}/buckets/b/keys/k2`)).text()).toBe('committed');
    expect(third.stdout()).toMatch(/recovered \d+ records? after an unclean stop in \d+ ms/);
    await stop(third);
  });

  test('SIGINT stops as SIGTERM does, also when it comes twice at once; a second SIGTERM ends at once', async () => {
    const first = serve('unused', '--engine', 'memory');
    await first.ready;
    // Under npm one Ctrl-C arrives twice, from the terminal and from npm.
    first.child.kill('SIGINT');
    first.child.kill('SIGINT');
    expect((await first.finished).code).toBe(0);
    expect(existsSync(join(dir, 'unused'))).toBe(false);

    const second = serve('unused', '--engine', 'memory');
    const url = await second.ready;
    const { port } = new URL(url);
    // A request that never ends keeps the drain busy for its whole grace.
    const { connect } = await import('node:net');
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      socket.write(
        'PUT /buckets/b/keys/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
      );
      socket.once('data', () => resolve());
    });
    second.child.kill('SIGTERM');
    await expect.poll(() => fetch(`${url}/ring`).catch(() => 'refused')).toBe('refused');
    second.child.kill('SIGTERM');
    expect((await second.finished).code).toBe(143);
    socket.destroy();
  });

  test('a port in use is one line, exit code 1, and no file touched', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    const data = newDirectory();
    const { code, stdout, stderr } = await run(['serve', '--http', `127.0.0.1:${port}`, '--data', data]);
    taken.close();
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^ringlet: PORT_IN_USE: [^\n]*--http[^\n]*\n$/);
    expect(existsSync(data)).toBe(false);
  });

  test('a directory in use, another topology and a foreign directory are one line each, exit code 1', async () => {
    const data = newDirectory();
    const running = serve(data);
    await running.ready;
    const second = await serve(data).finished;
    expect([second.code, second.stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: DATA_LOCKED: [^\n]*\n$/),
    ]);
    await stop(running);
    const other = await serve(data, '--partitions', '128').finished;
    expect([other.code, other.stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: TOPOLOGY_CHANGED: [^\n]*\n$/),
    ]);
    const foreign = mkdtempSync(join(dir, 'foreign-'));
    writeFileSync(join(foreign, 'thesis.txt'), 'mine');
    const refused = await serve(foreign).finished;
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: DATA_FOREIGN: [^\n]*\n$/),
    ]);
    expect(readFileSync(join(foreign, 'thesis.txt'), 'utf8')).toBe('mine');
  });
});

test('a file where the data directory belongs is told as that, to every command that would open it', async () => {
  const file = join(dir, 'a-file');
  writeFileSync(file, '');
  const serving = ['serve', '--http', '127.0.0.1:0', '--resp', 'off', '--data'];
  for (const args of [
    [...serving, file],
    [...serving, join(file, 'below')],
    ['get', 'k', '--data', file],
    ['verify', '--data', file],
  ]) {
    const { code, stderr } = await runHere(args);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: IO: \S+ is a file, or below one, [^\n]*another[^\n]*\n$/),
    ]);
  }
});

test('memory that is too small for the values is wrong use: exit code 2', async () => {
  const { code, stderr } = await serve('unused', '--engine', 'memory', '--memory', '16').finished;
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^ringlet: USAGE: [^\n]*give at least[^\n]*\n$/)]);
});

describe('other commands find the store', () => {
  const data = newDirectory();
  const at = ['--data', data, ...SMALL];

  test('nothing runs: they open the directory themselves, one after the other', async () => {
    expect(await runHere(['put', 'k', 'by itself', ...at])).toMatchObject({ code: 0, stderr: '' });
    expect(await runHere(['get', 'k', ...at])).toMatchObject({ code: 0, stdout: 'by itself', stderr: '' });
    expect(await runHere(['scan', ...at])).toMatchObject({ code: 0, stdout: 'k\n', stderr: '' });
    expect((await runHere(['delete', 'k', ...at])).code).toBe(0);
    expect((await runHere(['get', 'k', ...at])).code).toBe(1);
  });

  test('a store runs: they find it by endpoint.json; one that was killed is not taken for running', async () => {
    const running = serve(data);
    await running.ready;
    expect((await runHere(['put', 'k', 'by http', ...at])).code).toBe(0);
    expect((await runHere(['get', 'k', ...at])).stdout).toBe('by http');
    running.child.kill('SIGKILL');
    await running.finished;
    expect((await runHere(['put', 'k', 'after the kill', ...at])).code).toBe(0);
    expect((await runHere(['get', 'k', ...at])).stdout).toBe('after the kill');
  });
});

describe('load of 4,000 lines with bad ones and duplicates', () => {
  const file = join(dir, 'records.ndjson');
  beforeAll(() => {
    const lines = Array.from({ length: 4_000 }, (_, i) => `{"id": "k${i % 3_500}", "n": ${i}}`);
    lines[100] = '{oops';
    lines[3_000] = '{"n": 1}';
    writeFileSync(file, `${lines.join('\n')}\n`);
  });

  test('into the directory, counted, balanced, and readable afterwards', async () => {
    const at = ['--data', newDirectory(), ...SMALL, '--nodes', '4'];
    const loaded = await run(['load', file, '--bucket', 'b', '--key', 'id', '--json', ...at]);
    expect(loaded.code).toBe(0);
    expect(loaded.stderr).toContain('record 101 is skipped');
    expect(loaded.stderr).toContain('record 3001 is skipped: it has no field id');
    const summary = JSON.parse(loaded.stdout) as { loadPerNode: { records: number; inBand: boolean }[] };
    // Line 101 is bad, so that line 3,601 is the first with its key.
    expect(summary).toMatchObject({ records: 4_000, written: 3_998, bad: 2, duplicates: 499, failed: 0 });
    expect(summary.loadPerNode.every(({ inBand }) => inBand)).toBe(true);
    expect(summary.loadPerNode.reduce((sum, { records }) => sum + records, 0)).toBe(3 * 3_998);
    expect((await run(['get', 'k7', '--bucket', 'b', ...at])).stdout).toBe('{"id":"k7","n":3507}');
  });
});

describe('who may come in', () => {
  test('open to others without a token: exit code 2, a remedy, and no file touched', async () => {
    const data = newDirectory();
    const { code, stderr } = await run(['serve', '--http', '0.0.0.0:0', '--data', data]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^ringlet: USAGE: http .*--token-file FILE.*--insecure/);
    expect(existsSync(data)).toBe(false);
  });

  test('token, TLS and an admin address of its own: commands find their way by endpoint.json, others do not', async () => {
    const data = newDirectory();
    const token = 'a-token-that-nobody-guesses';
    const tokenFile = join(dir, 'token');
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
    const fixtures = join(import.meta.dirname, '..', 'server', 'fixtures');
    const certificate = join(fixtures, 'tls-cert.pem');
    const tls = ['--tls-cert', certificate, '--tls-key', join(fixtures, 'tls-key.pem')];
    const more = ['--token-file', tokenFile, '--admin', '127.0.0.1:0', '--allow-faults'];
    const running = serve(data, ...tls, ...more, '--io-threads', '2');
    const url = await running.ready;
    expect(url).toMatch(/^https:/);
    expect(await runHere(['put', 'k', 'v', '--data', data])).toMatchObject({ code: 0, stderr: '' });
    expect(await runHere(['get', 'k', '--data', data])).toMatchObject({ code: 0, stdout: 'v' });
    expect(await runHere(['fault', 'clear', '--data', data])).toMatchObject({ code: 0 });

    const stranger = await runHere(['get', 'k', '--url', url, '--tls-cert', certificate]);
    expect(stranger).toMatchObject({ code: 1, stdout: '' });
    expect(stranger.stderr).toContain('asks for its token');
    const distrustful = await runHere(['get', 'k', '--url', url, '--token-file', tokenFile]);
    expect(distrustful.stderr).toContain('certificate');
    const friend = ['get', 'k', '--url', url, '--tls-cert', certificate];
    expect(await runHere(friend, { env: { RINGLET_TOKEN: token } })).toMatchObject({ code: 0, stdout: 'v' });
    const printed = running.stdout() + readFileSync(join(data, 'endpoint.json'), 'utf8');
    expect(printed).not.toContain(token);
    await stop(running);
  });
});

test('a backup that Ctrl-C ends leaves nothing behind', async () => {
  const topology = { partitions: 1, spacing: 1, nodes: [{ id: 'n1', capacity: 1, vnodes: 1 }] };
  const head = { storeId: 'x'.repeat(2_000), createdAt: '', topology, buckets: [], without: [] };
  const bytes = new SectionWriter().json('RBAK', head);
  const server = createServer((_, response) => {
    // Never whole: a byte at a time, until the command goes away.
    let at = 0;
    const sending = setInterval(() => response.write(bytes.subarray(at, ++at)), 20);
    response.once('close', () => clearInterval(sending));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const target = newDirectory();
  mkdirSync(target);
  const running = start(['backup', 'monday.ringlet', '--url', `http://127.0.0.1:${port}`], { cwd: target });
  await vi.waitFor(() => expect(readdirSync(target)).toHaveLength(1), { timeout: 20_000 });
  running.child.kill('SIGINT');
  const { code, stderr } = await running.finished;
  server.closeAllConnections();
  server.close();
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^ringlet: ABORTED: [^\n]*nothing[^\n]*\n$/)]);
  expect(readdirSync(target)).toEqual([]);
});
