import type { IncomingMessage } from 'node:http';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bindHttp } from '../../src/server/http/listener.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from '../server/fake-store.js';
import { runHere } from './in-process.js';
import { BIN, run, start } from './spawn.js';

/** The commands against a fake store behind real HTTP: what they say and how they exit. */
const dir = mkdtempSync(join(tmpdir(), 'ringlet-cli-'));
let store: FakeStore;
let http: HttpServer;
/** Of all requests, the last one last. */
const requested: string[] = [];

beforeAll(async () => {
  store = new FakeStore();
  const listener = await bindHttp({ host: '127.0.0.1', port: 0 });
  listener.server.prependListener('request', ({ url = '' }: IncomingMessage) => void requested.push(url));
  http = await startHttp(store, {
    listen: listener,
    valueBytes: 1 << 20,
    instance: 'run-1',
  });
});
afterAll(async () => {
  await http.close();
  rmSync(dir, { recursive: true });
});

const call = (args: string[], stdin?: string, how = runHere) =>
  how([...args, '--url', http.address], { cwd: dir, ...(stdin === undefined ? {} : { stdin }) });

test('as processes of their own: bytes go in and come out as they are, a failure is the exit code, and each ends', async () => {
  expect(await call(['put', 'whole', '-'], 'piped\n', run)).toEqual({
    code: 0,
    signal: null,
    stdout: '',
    stderr: '',
  });
  expect(await call(['get', 'whole'], undefined, run)).toMatchObject({ code: 0, stdout: 'piped\n' });
  expect(await call(['get', 'none'], undefined, run)).toMatchObject({
    code: 1,
    stderr: 'ringlet: NOT_FOUND: key "none" was never written in bucket default\n',
  });
  const others = await Promise.all([
    call(['scan'], undefined, run),
    call(['status'], undefined, run),
    call(['load', '-', '--key', 'id'], '{"id":"a"}\n', run),
    call(['export', '--out', 'all.ndjson'], undefined, run),
    call(['fault', 'clear'], undefined, run),
  ]);
  expect(others.map(({ code }) => code)).toEqual([0, 0, 0, 0, 1]);
});

describe('one key', () => {
  test('put, get and delete; a second put supersedes the first', async () => {
    expect(await call(['put', 'greeting', 'hello'])).toEqual({
      code: 0,
      signal: null,
      stdout: '',
      stderr: '',
    });
    expect((await call(['put', 'greeting', 'hello again'])).code).toBe(0);
    expect(await call(['get', 'greeting'])).toMatchObject({ code: 0, stdout: 'hello again' });
    expect((await call(['delete', 'greeting'])).code).toBe(0);
    const gone = await call(['get', 'greeting']);
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toBe('ringlet: NOT_FOUND: key "greeting" was deleted in bucket default\n');
  });

  test('a key that was never written is exit code 1, with --json too', async () => {
    expect(await call(['get', 'never'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('never written') as string,
    });
    const json = await call(['get', 'never', '--json']);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({ key: 'never', found: false, degraded: false, siblings: [] });
  });

  test('a value from standard input, under a key of dots, in a bucket', async () => {
    expect((await call(['put', '..', '-', '--bucket', 'b'], 'piped\n')).code).toBe(0);
    expect((await call(['get', '..', '--bucket', 'b'])).stdout).toBe('piped\n');
    expect((await store.bucket('b').get('..')).siblings[0]!.contentType).toBe('application/octet-stream');
  });

  test('siblings are told and never chosen from; --concurrent makes them, a put resolves them', async () => {
    await call(['put', 'k', 'a']);
    await call(['put', 'k', 'b', '--concurrent']);
    const get = await call(['get', 'k']);
    expect(get).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('2 concurrent values') as string,
    });
    const json = JSON.parse((await call(['get', 'k', '--json'])).stdout) as { siblings: { value: string }[] };
    expect(json.siblings.map(({ value }) => value)).toEqual(['a', 'b']);
    await call(['put', 'k', 'c']);
    expect((await call(['get', 'k'])).stdout).toBe('c');
  });

  test('a content type or context that no header can have is wrong use', async () => {
    for (const flags of [
      ['--content-type', 'text/plain\nX: y'],
      ['--content-type', 'text/\u2713'],
      ['--context', 'a\nb'],
    ]) {
      const { code, stderr } = await call(['put', 'k', 'v', ...flags]);
      expect([code, stderr]).toEqual([
        2,
        expect.stringMatching(/^ringlet: BAD_REQUEST: [^\n]*header[^\n]*\n$/),
      ]);
    }
  });

  test('--if-absent refuses what is there', async () => {
    const refused = await call(['put', 'k', 'd', '--if-absent']);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ringlet: CONDITION_FAILED: .*\n$/) as string,
    });
  });

  test('scan lists keys, with --json values as well', async () => {
    for (const key of ['s/1', 's/2', 's/3']) await call(['put', key, 'v', '--bucket', 'scan']);
    const keys = await call(['scan', '--bucket', 'scan', '--prefix', 's/', '--limit', '2']);
    expect(keys.stdout).toBe('s/1\ns/2\n');
    expect(requested.at(-1)).toMatch(/^\/buckets\/scan\/keys\?values=false&/);
    const [line] = (await call(['scan', '--bucket', 'scan', '--json'])).stdout.split('\n');
    expect(JSON.parse(line!)).toMatchObject({ key: 's/1', siblings: [{ value: 'v' }] });
  });

  test('a key that a terminal would obey is shown in digits on one, and told as it is to other programs', async () => {
    const bucket = store.bucket('odd');
    const keys = ['a\u001b[2Jb\nc\u009b1m\u202e', 'Zürich 🦀', Uint8Array.of(0x61, 0xff, 0x1b, 0x7f)];
    for (const key of keys) await bucket.put(key, 'v\u0085');
    const { isTTY } = process.stdout;
    const scan = async (terminal: boolean, ...args: string[]): Promise<string> => {
      process.stdout.isTTY = terminal;
      try {
        return (await call(['scan', '--bucket', 'odd', ...args])).stdout;
      } finally {
        process.stdout.isTTY = isTTY;
      }
    };
    expect((await scan(true)).split('\n')).toEqual([
      'a\\x1b[2Jb\\x0ac\\x9b1m\\u202e',
      'Zürich 🦀',
      'a\\xff\\x1b\\x7f',
      '',
    ]);
    expect(await scan(false)).toBe(`${keys[0] as string}\nZürich 🦀\na\ufffd\u001b\u007f\n`);
    const json = await scan(true, '--json');
    expect(json.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    const [line] = json.split('\n');
    expect(JSON.parse(line!)).toMatchObject({ key: keys[0], siblings: [{ value: 'v\u0085' }] });
  });

  test('get and scan with --json say when a value expires', async () => {
    const { context } = await store.bucket('expiring').put('k', 'v', { ttlMs: 60_000 });
    const expiresAt = new Date(
      (await store.bucket('expiring').get('k')).siblings[0]!.expiresAtMs!,
    ).toISOString();
    for (const args of [['get', 'k'], ['scan']]) {
      const { stdout } = await call([...args, '--bucket', 'expiring', '--json']);
      expect(JSON.parse(stdout)).toMatchObject({
        key: 'k',
        context: context.toString(),
        siblings: [{ value: 'v', expiresAt }],
      });
    }
  });

  test('a miss that fewer owners than R have answered is told with its doubt', async () => {
    store.degraded = true;
    try {
      expect((await call(['get', 'never'])).stderr).toMatch(/never written .* as far as is known/);
    } finally {
      store.degraded = false;
    }
  });
});

describe('load', () => {
  const file = join(dir, 'records.ndjson');

  test('a file without one good record, such as a compressed one, is no success', async () => {
    writeFileSync(file, gzipSync('{"id":"a"}\n'));
    const { code, stdout, stderr } = await call(['load', file, '--bucket', 'load', '--key', 'id', '--json']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ringlet: IO: no record of .* not compressed/m);
    expect(JSON.parse(stdout)).toMatchObject({ written: 0, bad: 1 });
    writeFileSync(file, '');
    expect((await call(['load', file, '--bucket', 'load', '--key', 'id'])).code).toBe(0);
  });

  test('an error is one line whatever the key, and moves no cursor', async () => {
    for (const args of [['get'], ['load', '--key', 'id']]) {
      const { code, stderr } = await call([args[0]!, 'a\n\u001b[2Jb\u009b', ...args.slice(1)]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^ringlet: [A-Z_]+: .*a \\x1b\[2Jb\\x9b.*\n$/);
    }
  });

  test.runIf(existsSync('/dev/full'))(
    'an output that takes nothing more, such as a full disk, is one line; messages that get nowhere stop nothing',
    async () => {
      await call(['put', 'whole', 'x']);
      const finish = async (args: string[], stdout: 'pipe' | number, stderr: 'pipe' | number) => {
        const child = spawn(process.execPath, [BIN, ...args, '--url', http.address], {
          stdio: ['ignore', stdout, stderr],
        });
        let said = '';
        child.stderr?.on('data', (data) => (said += String(data)));
        const [code] = (await once(child, 'close')) as [number];
        return { code, said };
      };
      const full = openSync('/dev/full', 'w');
      try {
        for (const args of [['get', 'whole'], ['scan'], ['status', '--json'], ['export']]) {
          const { code, said } = await finish(args, full, 'pipe');
          expect([code, said]).toEqual([
            1,
            expect.stringMatching(/^ringlet: IO: cannot write to standard output \(ENOSPC[^\n]*\n$/),
          ]);
        }
        writeFileSync(file, '{oops\n{"id":"unheard"}\n');
        const load = ['load', file, '--bucket', 'load', '--key', 'id'];
        expect((await finish(load, 'pipe', full)).code).toBe(0);
        expect((await store.bucket('load').get('unheard')).found).toBe(true);
      } finally {
        closeSync(full);
      }
    },
  );

  test('a load whose messages nobody reads any more writes all the same', async () => {
    const good = Array.from({ length: 500 }, (_, i) => `{oops\n{"id":"m${i}"}\n`);
    writeFileSync(file, good.join(''));
    const args = ['load', file, '--bucket', 'load', '--key', 'id', '--url', http.address];
    const { child, finished } = start(args, { cwd: dir });
    child.stderr.destroy();
    expect(await finished).toMatchObject({ code: 0 });
    expect((await store.bucket('load').get('m499')).found).toBe(true);
  });

  test('a file with bad lines: reported, skipped, counted; exit code 0', async () => {
    writeFileSync(file, '{"id": "a", "v": 1}\n{oops\n{"id":"b"}\n{"no":1}\n{"id":"a","v":2}\n');
    const { code, stdout, stderr } = await call(['load', file, '--bucket', 'load', '--key', 'id', '--json']);
    expect(code).toBe(0);
    expect(stderr).toContain('record 2 is skipped: it is no JSON');
    expect(stderr).toContain('record 4 is skipped: it has no field id');
    expect(JSON.parse(stdout)).toMatchObject({
      records: 5,
      written: 3,
      bad: 2,
      duplicates: 1,
      failed: 0,
      bytes: 42,
    });
    const stored = await store.bucket('load').get('b');
    expect(stored.siblings[0]).toMatchObject({ contentType: 'application/json' });
    expect(Buffer.from(stored.value!).toString()).toBe('{"id":"b"}');
  });

  test('the bucket is created with lww, and the screen shows the load per node', async () => {
    const { stdout } = await call(
      ['load', '-', '--bucket', 'made', '--key', '{c}/{#line}'],
      '[{"c":"x"},{"c":"y"}]',
    );
    expect(await store.bucket('made').properties()).toMatchObject({ conflict: 'lww' });
    expect(stdout).toMatch(/^2 records of - into bucket made:/);
    expect(stdout).toMatch(/ {2}n1 █+ +2 +\+0\.0 % {2}in the band/);
    expect((await store.bucket('made').get('y/2')).found).toBe(true);
  });

  test('what flags say of the bucket is what a new one has; one that exists otherwise is refused', async () => {
    const load = (bucket: string, ...flags: string[]) =>
      call(['load', '-', '--bucket', bucket, '--key', 'id', ...flags], '{"id":"a"}\n');
    expect((await load('asked', '--durability', 'durable', '--conflict', 'siblings')).code).toBe(0);
    expect(await store.bucket('asked').properties()).toMatchObject({
      durability: 'durable',
      conflict: 'siblings',
    });
    expect((await load('asked', '--durability', 'durable', '--conflict', 'siblings')).code).toBe(0);
    for (const [flag, value, got] of [
      ['conflict', 'lww', 'siblings'],
      ['durability', 'committed', 'durable'],
      ['n', '2', '3'],
    ]) {
      expect(await load('asked', `--${flag}`, value!)).toMatchObject({
        code: 1,
        stdout: '',
        stderr: `ringlet: BUCKET_MISMATCH: bucket asked has ${flag} = ${got}, not ${value}; leave --${flag} out, or load into another bucket\n`,
      });
    }
    const input = { cwd: dir, stdin: '{"id":"a"}\n', env: { RINGLET_DURABILITY: 'committed' } };
    const args = ['load', '-', '--bucket', 'asked', '--key', 'id', '--url', http.address];
    expect((await runHere(args, input)).code).toBe(0);
  });

  test('a record that cannot be written is exit code 1; so is an input that breaks off', async () => {
    const value = 'x'.repeat((1 << 20) + 1);
    const large = await call(['load', '-', '--bucket', 'load', '--key', 'id'], `{"id":"l","v":"${value}"}\n`);
    expect(large.code).toBe(1);
    expect(large.stderr).toContain('record 1 is not written: VALUE_TOO_LARGE');
    const cut = await call(['load', '-', '--bucket', 'load', '--key', 'id', '--json'], '[{"id":"c"},{');
    expect(cut).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ends inside the array') as string,
    });
    expect(JSON.parse(cut.stdout)).toMatchObject({ written: 1 });
  });

  test('a file that is not there is one line and exit code 1', async () => {
    const { code, stderr } = await call(['load', 'none.json', '--key', 'id']);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: IO: cannot read none\.json .*ENOENT.*\n$/),
    ]);
  });
});

test('wrong use is one line on stderr and exit code 2; a bad variable is named', async () => {
  const { code, stdout, stderr } = await runHere(['serve'], { cwd: dir, env: { RINGLET_FLUSH_MS: 'soon' } });
  expect([code, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(/^ringlet: USAGE: flushMs \(environment variable RINGLET_FLUSH_MS\): [^\n]*\n$/);
});

describe('where the store is', () => {
  test('nothing to read from is an error that names the remedy, and makes no directory', async () => {
    const { code, stderr } = await runHere(['get', 'k', '--data', 'nowhere'], { cwd: dir });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^ringlet: IO: .*nowhere.*ringlet serve.*\n$/)]);
    expect(() => rmSync(join(dir, 'nowhere'), { recursive: true })).toThrow('ENOENT');
  });

  test('a url where nobody answers is exit code 1', async () => {
    const { code, stderr } = await runHere(['get', 'k', '--url', 'http://127.0.0.1:1'], { cwd: dir });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^ringlet: IO: no answer from http:\/\/127\.0\.0\.1:1 /),
    ]);
  });
});

describe('the process', () => {
  test('--version, --help and --print-config', async () => {
    expect((await runHere(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(await runHere(['load', '--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Examples:') as string,
    });
    const printed = await runHere(['serve', '--print-config', '--nodes', '2'], {
      env: { RINGLET_MEMORY: '64' },
    });
    expect(JSON.parse(printed.stdout)).toMatchObject({ nodes: 2, memory: 64, n: 2, http: '127.0.0.1:8098' });
  });

  test('Windows and old versions of Node are refused by name, Windows unless forced', async () => {
    const preload = join(dir, 'preload.cjs');
    writeFileSync(
      preload,
      'Object.defineProperty(process, process.env.FAKE, { value: JSON.parse(process.env.AS) });',
    );
    const as = (FAKE: string, value: unknown, more = {}) =>
      run(['--version'], {
        nodeFlags: ['--require', preload],
        env: { FAKE, AS: JSON.stringify(value), ...more },
      });
    expect(await as('platform', 'win32')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^ringlet: UNSUPPORTED_PLATFORM: .*RINGLET_FORCE_PLATFORM=1.*\n$/,
      ) as string,
    });
    expect((await as('platform', 'win32', { RINGLET_FORCE_PLATFORM: '1' })).code).toBe(0);
    expect(await as('versions', { ...process.versions, node: '20.11.1' })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^ringlet: UNSUPPORTED_PLATFORM: Node 20\.11\.1 .*\n$/) as string,
    });
  });
});

describe('a running store', () => {
  test('status is a table, or with --json what /ring and /stats say', async () => {
    const screen = await call(['status']);
    expect(screen).toMatchObject({ code: 0, stderr: '' });
    expect(screen.stdout).toMatch(/^2 of 2 virtual nodes serve/);
    expect(screen.stdout).toContain('Faults: not allowed');
    const json = await call(['status', '--json']);
    expect(JSON.parse(json.stdout)).toEqual({ ring: store.ring(), stats: store.stats() });
  });

  test('a fault is refused in one line where none are allowed', async () => {
    for (const args of [
      ['fault', 'crash', 'n1.0'],
      ['fault', 'cut', 'n1', 'all', '--one-way', '--for', '3s'],
      ['fault', 'clear'],
    ]) {
      const refused = await call(args);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toMatch(/^ringlet: FAULTS_OFF: [^\n]+\n$/);
    }
  });

  test('where none runs, status and fault say how to start one', async () => {
    for (const args of [['status'], ['fault', 'clear']]) {
      const failed = await runHere([...args, '--data', join(dir, 'nowhere')], { cwd: dir });
      expect(failed).toMatchObject({ code: 1, stdout: '' });
      expect(failed.stderr).toMatch(/^ringlet: IO: no store runs in .*nowhere; start one [^\n]+\n$/);
    }
  });
});
