import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { run } from '../cli/spawn.js';
import { failure, openSmall, openWith, PACE, PATIENT, temporary, text, until } from './support.js';
import { verifyStore } from '../../src/host/offline.js';

const dist = new URL('../../dist/', import.meta.url).href;

const directory = (data: string, vnode: string, ...rest: string[]): string =>
  join(data, 'nodes', vnode.split('.')[0]!, vnode, ...rest);

/** The files of a store of three nodes as a kill leaves them: the journal has what LMDB has not. */
let left: string;

beforeAll(async () => {
  left = mkdtempSync(join(tmpdir(), 'ringlet-it-'));
  const data = join(left, 'served');
  // Without a checkpoint, whenever its time would be: damage in the journal is none where nothing needs it any more.
  const pace = { ...PACE, checkpointMs: 2 ** 40 };
  const options = { data, engine: 'lmdb', nodes: 3, memoryMiB: 24, valueBytes: 4_096 } as const;
  const store = await openWith(options, { pace, ...PATIENT });
  for (let i = 0; i < 200; i++) await store.put(`k${i}`, `value ${i}`, { durability: 'committed', w: 'all' });
  cpSync(data, join(left, 'data'), { recursive: true });
  await store.close();
});
afterAll(() => rmSync(left, { recursive: true, force: true }));

/** A copy of them for one test. */
function unclean(): string {
  const data = join(temporary(), 'data');
  cpSync(join(left, 'data'), data, { recursive: true });
  return data;
}

const journalOf = (data: string, vnode: string): string => {
  const files = readdirSync(directory(data, vnode, 'journal')).map((name) =>
    directory(data, vnode, 'journal', name),
  );
  return files.find((file) => readFileSync(file).readUInt32LE(0) === 0x474f4c52)!;
};

test('verify reads LMDB and journals, names what is damaged, and changes nothing that a start needs', async () => {
  const data = unclean();
  const whole = await verifyStore(data);
  expect(whole.map(({ damage }) => damage)).toEqual([null, null, null]);
  expect(
    whole.reduce((sum, { records, journalled }) => sum + records + journalled, 0),
  ).toBeGreaterThanOrEqual(600);
  const file = journalOf(data, 'n2.0');
  const bytes = readFileSync(file);
  bytes[bytes.indexOf('value 40')]! ^= 1;
  writeFileSync(file, bytes);
  const { code, stdout, stderr } = await run(['verify', '--data', data]);
  expect(code).toBe(1);
  expect(stdout).toMatch(/n1\.0 +whole/);
  expect(stdout).toMatch(/n2\.0 +DAMAGED/);
  expect(stderr).toMatch(/^ringlet: DATA_CORRUPT: 1 of 3 /);
});

test('a damaged journal is put aside at the start and rebuilt; all damaged ones are DATA_CORRUPT and stay (N=3)', async () => {
  const data = unclean();
  const damage = (vnode: string): void => {
    const file = journalOf(data, vnode);
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('value 40')]! ^= 1;
    writeFileSync(file, bytes);
  };
  damage('n1.0');
  const store = await openSmall('lmdb', { data });
  expect(store.startup.rebuilding).toEqual([
    { vnode: 'n1.0', reason: expect.stringContaining('is damaged although later ones are whole') },
  ]);
  await until('all are whole', () => store.stats().vnodes.every(({ state }) => state === 'serving'));
  for (let i = 0; i < 200; i++)
    expect(text((await store.get(`k${i}`, { strict: true, r: 3 })).value)).toBe(`value ${i}`);
  await store.close();
  const other = unclean();
  for (const vnode of ['n1.0', 'n2.0', 'n3.0']) {
    const file = journalOf(other, vnode);
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('value 40')]! ^= 1;
    writeFileSync(file, bytes);
  }
  expect((await failure(openSmall('lmdb', { data: other }))).code).toBe('DATA_CORRUPT');
  expect(existsSync(directory(other, 'n1.0', 'rebuild.json'))).toBe(false);
});

test('journals of two virtual nodes that changed places are DATA_FOREIGN', async () => {
  const data = unclean();
  const [one, two] = ['n1.0', 'n2.0'].map((vnode) => directory(data, vnode, 'journal'));
  renameSync(one!, `${one}.x`);
  renameSync(two!, one!);
  renameSync(`${one}.x`, two!);
  expect((await failure(openSmall('lmdb', { data }))).code).toBe('DATA_FOREIGN');
});

/** Changes what a child gets, until the end of the test or until what is returned is called. */
function changed(owner: object, what: string, value: string): () => void {
  const place = owner as Record<string, string | undefined>;
  const before = place[what];
  const restore = (): void => {
    if (before === undefined) delete place[what];
    else place[what] = before;
  };
  onTestFinished(restore);
  place[what] = value;
  return restore;
}

test.runIf(process.platform === 'linux')(
  'a verifying process that somebody ends from outside is no damage',
  async () => {
    const data = unclean();
    const block = join(temporary(), 'block.cjs');
    writeFileSync(block, 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);');
    const restore = changed(process.env, 'NODE_OPTIONS', `--require ${block}`);
    const opening = failure(openSmall('lmdb', { data }));
    let child: number | undefined;
    await until('it verifies', () => {
      child = childOf('verify-child.js');
      return child !== undefined;
    });
    process.kill(child!, 'SIGTERM');
    expect(await opening).toMatchObject({
      code: 'IO',
      message: expect.stringContaining('SIGTERM') as string,
    });
    restore();
    const store = await openSmall('lmdb', { data });
    expect(store.startup.rebuilding ?? []).toEqual([]);
  },
);

test.each([
  ['does not get as far as the first environment', 'NODE_OPTIONS', '--require /nowhere/at-all.cjs'],
  ['cannot be started', 'execPath', '/nowhere/node'],
])('a verifying process that %s is no damage', async (_, what, value) => {
  const data = unclean();
  const restore = changed(what === 'execPath' ? process : process.env, what, value);
  expect(await failure(openSmall('lmdb', { data }))).toMatchObject({
    code: 'IO',
    message: expect.stringContaining('cannot be verified') as string,
  });
  restore();
  const store = await openSmall('lmdb', { data });
  expect(store.startup.rebuilding ?? []).toEqual([]);
});

/** A child of this process whose command line has the word. */
function childOf(word: string): number | undefined {
  return readdirSync('/proc')
    .map(Number)
    .find((pid) => {
      try {
        const [, parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
        return Number(parent) === process.pid && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(word);
      } catch {
        return false;
      }
    });
}

test.skipIf(process.platform === 'win32')(
  'an environment that must not be read is not called damaged',
  async () => {
    const data = unclean();
    const asRoot = process.getuid?.() === 0;
    // Root may read everything: then somebody else looks, who may read all but this.
    const other = asRoot ? { uid: 65_534, gid: 65_534 } : {};
    const engine = mkdtempSync(join(tmpdir(), 'ringlet-it-'));
    const view = mkdtempSync(join(tmpdir(), 'ringlet-it-'));
    onTestFinished(() => [engine, view].forEach((one) => rmSync(one, { recursive: true, force: true })));
    cpSync(join(directory(data, 'n1.0'), 'engine'), engine, { recursive: true });
    chmodSync(join(engine, 'data.mdb'), 0o000);
    chmodSync(engine, 0o755);
    if (asRoot) chownSync(view, 65_534, 65_534);
    const entry = new URL('src/host/verify-child.js', dist).pathname;
    const { stdout } = spawnSync(process.execPath, [entry, 'any-boot', engine, view, view], {
      ...other,
      encoding: 'utf8',
    });
    const { reason, unreadable } = JSON.parse(stdout.split('end 0 ')[1]!) as Record<string, string>;
    expect(reason).toBeUndefined();
    expect(unreadable).toContain('EACCES');
  },
);

test('a verifying process that has no memory left says nothing of the data', async () => {
  const data = unclean();
  const preload = join(temporary(), 'exhaust.cjs');
  writeFileSync(
    preload,
    `const fs = require('node:fs');
    const { writeSync } = fs;
    fs.writeSync = (fd, text) => {
      writeSync(fd, text);
      if (String(text).startsWith('begin 1')) for (const kept = []; ; ) kept.push(Array.from({ length: 1e5 }, () => 0.5));
    };
    require('node:module').syncBuiltinESMExports();`,
  );
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `--max-old-space-size=48 --require=${preload}`;
  try {
    const error = await failure(verifyStore(data));
    expect(error).toMatchObject({ code: 'IO' });
    expect(error.message).toContain('has no memory left');
  } finally {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
  }
  expect((await verifyStore(data)).map(({ damage }) => damage)).toEqual([null, null, null]);
});
