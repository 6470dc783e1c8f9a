import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHere } from './in-process.js';
import { run, type Running, start } from './spawn.js';

/** Join and leave as an operator sees them: the command line, over HTTP, on a store that runs. */
let dir: string;
let running: Running;
let url: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ringlet-ring-'));
  running = start(['serve', '--nodes', '3', '--memory', '96', '--data', dir, '--http', '127.0.0.1:0']);
  url = await running.ready;
  for (let i = 0; i < 60; i++) {
    const put = await fetch(`${url}/buckets/b/keys/k${i}`, { method: 'PUT', body: `v${i}` });
    expect(put.status).toBe(204);
  }
});
afterAll(async () => {
  running.child.kill('SIGTERM');
  await running.finished;
  rmSync(dir, { recursive: true, force: true });
});

const ringlet = (...args: string[]) => runHere([...args, '--url', url]);
const asProcess = (...args: string[]) => run([...args, '--url', url]);

test('a plan says what would move, a join and a leave do it and tell how far they are; nothing is lost', async () => {
  const plan = await ringlet('join', '--node', 'n4', '--capacity', '2', '--plan');
  expect([plan.code, plan.stderr]).toEqual([0, '']);
  expect(plan.stdout).toMatch(
    /^join of n4: \d+ partitions and about \d+ copies of keys would move \(\d+\.\d % of all copies\)\n/,
  );
  expect(plan.stdout).toMatch(/n\d\.0 → n4\.0 +\d+\n/);
  const joined = await asProcess('join', '--node', 'n4', '--capacity', '2');
  expect([joined.code, joined.stderr]).toEqual([0, '']);
  expect(joined.stdout).toMatch(/join of n4: done in \d+\.\d s; \d+ partitions, \d+ keys moved\n$/);
  const status = await ringlet('status');
  expect(status.stdout).toContain('n4.0');
  const left = await asProcess('leave', 'n1', '--json');
  const last = left.stdout.trim().split('\n').at(-1)!;
  expect(JSON.parse(last)).toMatchObject({ change: 'leave', node: 'n1', phase: 'done' });
  expect((await ringlet('status')).stdout).not.toContain('n1.0');
  for (let i = 0; i < 60; i++) {
    const get = await fetch(`${url}/buckets/b/keys/k${i}?r=all`);
    expect(await get.text()).toBe(`v${i}`);
  }
});

test('what cannot be done is one line and exit code 2', async () => {
  const stranger = await ringlet('leave', 'n9');
  expect([stranger.code, stranger.stderr]).toEqual([
    2,
    expect.stringMatching(/^ringlet: BAD_REQUEST: [^\n]*\n$/),
  ]);
  const few = await ringlet('leave', 'n2');
  expect([few.code, few.stderr]).toEqual([
    2,
    expect.stringMatching(/^ringlet: BAD_REQUEST: .* n = 3[^\n]*\n$/),
  ]);
  const member = await ringlet('join', '--node', 'n2');
  expect(member.stderr).toMatch(/^ringlet: BAD_REQUEST: n2 is a member already\n$/);
  expect((await ringlet('join', '--node', 'n5', '--capacity', 'x')).code).toBe(2);
  expect((await ringlet('join')).code).toBe(2);
  expect((await ringlet('join', '--node', 'n5', '--roll-back')).stderr).toMatch(
    /no ring change is under way/,
  );
  for (const command of ['join', 'leave']) {
    expect((await ringlet(command, '--roll-back')).stderr).toMatch(/no ring change is under way/);
  }
  const bad = await fetch(`${url}/admin/ring/join`, { method: 'POST', body: '{"node":"n5","weight":2}' });
  expect([bad.status, await bad.json()]).toMatchObject([400, { code: 'BAD_REQUEST' }]);
});
