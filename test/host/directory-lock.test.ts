import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { openIt, path, useTemporaryDirectory } from './directory-world.js';

useTemporaryDirectory();

describe('data directory lock', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  const fixture = fileURLToPath(new URL('fixtures/race-for-directory.mjs', import.meta.url));

  function start(): { child: ChildProcess; line(): Promise<string> } {
    const child = spawn(process.execPath, [fixture, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const lines: string[] = [];
    const waiting: ((line: string) => void)[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n').filter(Boolean)) {
        const next = waiting.shift();
        if (next === undefined) lines.push(line);
        else next(line);
      }
    });
    return {
      child,
      line: () =>
        new Promise((resolve) => (lines.length > 0 ? resolve(lines.shift()!) : waiting.push(resolve))),
    };
  }

  it('the same process cannot open it twice, and can after a release', async () => {
    const data = await openIt();
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_LOCKED', retryable: true });
    await data.release();
    await (await openIt()).release();
  });

  it('a refused open gives the lock back', async () => {
    mkdirSync(path);
    writeFileSync(join(path, 'x'), '');
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_FOREIGN' });
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_FOREIGN' });
  });

  it('of 20 processes that make the same directory together one wins; after kill -9 the next wins at once', async () => {
    const racers = Array.from({ length: 20 }, start);
    for (const racer of racers) expect(await racer.line()).toBe('ready');
    for (const { child } of racers) child.stdin!.write('go\n');
    const results = await Promise.all(racers.map((racer) => racer.line()));
    expect(results.filter((line) => line === 'won')).toHaveLength(1);
    expect(results.filter((line) => line.startsWith('DATA_LOCKED'))).toHaveLength(19);

    const winner = racers[results.indexOf('won')]!.child;
    const next = start();
    await next.line();
    const dead = new Promise((resolve) => winner.once('exit', resolve));
    winner.kill('SIGKILL');
    await dead;
    next.child.stdin!.write('go\n');
    expect(await next.line()).toBe('won');
  });
});
