import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HostStore } from '../../src/client/api.js';
import type { HttpServer } from '../../src/server/http/start.js';
import { runHere } from '../cli/in-process.js';
import { run } from '../cli/spawn.js';
import { open } from '../../src/index.js';
import { startHttp } from '../../src/server/http/start.js';

const dir = mkdtempSync(join(tmpdir(), 'ringlet-backup-'));
let store: HostStore;
let http: HttpServer;

beforeAll(async () => {
  store = await open({ engine: 'memory', nodes: 2, memoryMiB: 64 });
  http = await startHttp(store, {
    listen: { host: '127.0.0.1', port: 0 },
    valueBytes: 1 << 20,
    members: store.members,
    backup: (options) => store.backupStream(options),
  });
});
afterAll(async () => {
  await http.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

const call = (...args: string[]) => runHere(args, { cwd: dir });
const asProcess = (...args: string[]) => run(args, { cwd: dir });

test('a store that serves is backed up by HTTP, the file verified, and restored', async () => {
  for (let i = 0; i < 20; i++) await store.put(`k${i}`, 'x'.repeat(50_000));
  const made = await asProcess('backup', 'saved', '--url', http.address);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(made.stdout).toMatch(/^20 keys of 1 buckets, 1,\d{3},\d{3} bytes in saved \(/);
  const verified = await call('verify', '--backup', 'saved', '--json');
  expect(JSON.parse(verified.stdout)).toMatchObject({ records: 20, damagedCopies: 0 });
  const restored = await asProcess('restore', 'saved', '--data', 'new', '--memory', '64', '--json');
  expect(restored).toMatchObject({ code: 0 });
  expect(JSON.parse(restored.stdout)).toMatchObject({ records: 20, copies: 40, data: join(dir, 'new') });
  const got = await call('get', 'k7', '--data', 'new', '--memory', '64');
  expect(got).toMatchObject({ code: 0, stdout: 'x'.repeat(50_000) });
});

test('what cannot be is said in one line, with the code for wrong use, and leaves nothing', async () => {
  const line = (stderr: string): string => stderr.trimEnd();
  const again = await call('backup', 'saved', '--url', http.address);
  expect(line(again.stderr)).toBe(
    `ringlet: BAD_REQUEST: ${join(dir, 'saved')} exists; name a new file for the backup`,
  );
  expect(again.code).toBe(2);
  const absent = await call('backup', 'other', '--url', http.address, '--without', 'n7.0');
  expect(line(absent.stderr)).toBe(
    'ringlet: BAD_REQUEST: there is no virtual node n7.0 to leave out; there are n1.0, n2.0',
  );
  writeFileSync(join(dir, 'damaged'), readFileSync(join(dir, 'saved')).subarray(0, 100_000));
  const damaged = await call('restore', 'damaged', '--data', 'never');
  expect(line(damaged.stderr)).toMatch(
    /^ringlet: DATA_CORRUPT: damaged ends within section 1; use another copy/,
  );
  const few = await call('restore', 'saved', '--data', 'never', '--nodes', '1');
  expect(line(few.stderr)).toMatch(
    /^ringlet: BAD_REQUEST: bucket default has n = 2, more than 1 nodes can hold/,
  );
  expect(few.code).toBe(2);
  const full = await call('restore', 'saved', '--data', dir);
  expect(line(full.stderr)).toMatch(/is not empty \(\d+ entries, such as "/);
  expect([existsSync(join(dir, 'never')), existsSync(join(dir, 'other'))]).toEqual([false, false]);
});
