import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import type { KillJob } from '../../bench/durability/kill-child.js';
import risk from '../../bench/durability/risk.js';

const ENTRY = resolve('dist/bench/durability/kill-child.js');

test('writes of all earlier processes are looked for, not only those of the one before', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ringlet-bench-risk-'));
  const look = [0, 1].map((round) => ({ round, log: join(directory, `log-${round}`) }));
  for (const { round, log } of look) await writeFile(log, `a ${round + 5} 1 1,1,1\n`);
  const job: KillJob = {
    data: join(directory, 'data'),
    log: join(directory, 'log'),
    look,
    level: 'buffered',
    perSecond: 1,
    round: 2,
  };
  const child = spawn(process.execPath, [ENTRY, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  try {
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    // Nobody has written them.
    expect(JSON.parse(line)).toEqual({ missing: [[5], [6]] });
  } finally {
    child.kill('SIGKILL');
    await ended;
    await rm(directory, { recursive: true });
  }
});

test('three kills lose nothing that was acknowledged as committed, and nothing under a watermark', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ringlet-bench-risk-'));
  try {
    const report = await risk({ directory, level: 'committed', kills: 3, perSecond: 500, seed: 1 });
    expect(report).toMatchObject({ kills: 3, lost: 0, lostUnderWatermark: 0, lostAgesMs: [] });
    expect(report.acknowledged).toBeGreaterThan(0);
  } finally {
    await rm(directory, { recursive: true });
  }
});
