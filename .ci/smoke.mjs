// What a new user does: clone, `npm ci`, `npm start`, a put and a get by HTTP, SIGTERM to npm, and all that twice.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** `npm start` compiles first; a machine may be slow, and have other work. */
const READY_MS = 300_000;
const STOP_MS = 60_000;
const VALUE = 'a value that outlives the process';

const work = mkdtempSync(join(tmpdir(), 'ringlet-smoke-'));
const clone = join(work, 'clone');
const run = (command, args, cwd) => execFileSync(command, args, { cwd, stdio: 'inherit' });

/** Starts the store by npm in a process group of its own; `use` gets its address and what it printed. */
async function session(use) {
  const args = [
    'start',
    '--',
    '--http',
    '127.0.0.1:0',
    '--resp',
    '127.0.0.1:0',
    '--data',
    join(work, 'data'),
  ];
  const npm = spawn('npm', args, { cwd: clone, detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(npm, 'exit');
  if (npm.pid === undefined) throw new Error('npm cannot be started');
  const group = -npm.pid;
  try {
    const screen = await Promise.race([screenOf(npm), tooLate(READY_MS, 'no "ready" line')]);
    await use(/^ready (http:\S+) resp:\S+$/m.exec(screen)[1], screen);
    npm.kill('SIGTERM');
    const [code, signal] = await Promise.race([ended, tooLate(STOP_MS, 'no end after SIGTERM')]);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, 'npm start ends with 0 after SIGTERM');
    assert.throws(() => process.kill(group, 0), { code: 'ESRCH' }, 'no process of the group is left');
  } finally {
    try {
      process.kill(group, 'SIGKILL');
    } catch {
      // The normal case: the group is empty.
    }
  }
}

async function screenOf(npm) {
  let screen = '';
  for await (const line of createInterface({ input: npm.stdout })) {
    console.log(line);
    screen += `${line}\n`;
    if (line.startsWith('ready ')) return screen;
  }
  throw new Error('npm start ended before it was ready');
}

async function tooLate(ms, what) {
  await sleep(ms, undefined, { ref: false });
  throw new Error(`${what} within ${ms} ms`);
}

try {
  run('git', ['clone', '--quiet', '.', clone]);
  run('npm', ['ci', '--prefer-offline'], clone);
  await session(async (address) => {
    const key = `${address}/buckets/smoke/keys/a%20key`;
    const put = await fetch(key, { method: 'PUT', body: VALUE, headers: { 'Content-Type': 'text/plain' } });
    assert.equal(put.status, 204);
    assert.ok(put.headers.get('ringlet-context'));
    const got = await fetch(key);
    assert.equal(got.status, 200);
    assert.equal(await got.text(), VALUE);
  });
  await session(async (address, screen) => {
    const got = await fetch(`${address}/buckets/smoke/keys/a%20key`);
    assert.equal(await got.text(), VALUE, 'a second start continues with the same data');
    assert.match(screen, /after a clean stop/, 'the first stop left nothing to recover');
  });
} finally {
  rmSync(work, { recursive: true, force: true });
}
