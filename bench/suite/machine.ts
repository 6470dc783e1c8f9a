import { execFile } from 'node:child_process';
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { nowMs } from '../measure/clock.js';
import { median } from '../measure/statistics.js';
import type { Machine } from '../report/schema.js';

const SYNCS = 50;
const SYNC_BYTES = 4_096;

/** The machine that a result belongs to; figures of another one do not compare. */
export async function describeMachine(directory: string): Promise<Machine> {
  await mkdir(directory, { recursive: true });
  const processors = cpus();
  return {
    cpus: processors.length,
    model: processors[0]?.model.trim() ?? 'unknown',
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    node: process.version,
    filesystem: await filesystemOf(directory),
    fsyncUs: await measureSync(directory),
    loadAverage: loadavg()[0] ?? 0,
  };
}

/** The commit of this code's repository, wherever one stands, with "-dirty" when files differ from it; null outside of one. */
export async function describeCommit(): Promise<string | null> {
  const git = promisify(execFile);
  const here = { cwd: import.meta.dirname };
  try {
    const { stdout: commit } = await git('git', ['rev-parse', 'HEAD'], here);
    const { stdout: changes } = await git('git', ['status', '--porcelain'], here);
    return changes === '' ? commit.trim() : `${commit.trim()}-dirty`;
  } catch {
    return null;
  }
}

/** Type of the mount that holds the directory, from Linux' mount table. */
async function filesystemOf(directory: string): Promise<string> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  const path = `${resolve(directory)}/`;
  let longest = '';
  let filesystem = 'unknown';
  for (const line of mounts.split('\n')) {
    const [, point, kind] = line.split(' ');
    if (point === undefined || kind === undefined) continue;
    const prefix = point.endsWith('/') ? point : `${point}/`;
    if (path.startsWith(prefix) && prefix.length >= longest.length) {
      longest = prefix;
      filesystem = kind;
    }
  }
  return filesystem;
}

async function measureSync(directory: string): Promise<number> {
  const path = join(directory, 'sync-probe');
  const file = await open(path, 'w');
  const tookMs: number[] = [];
  try {
    const block = Buffer.alloc(SYNC_BYTES, 1);
    for (let i = 0; i < SYNCS; i++) {
      const beganMs = nowMs();
      await file.write(block, 0, block.length, i * SYNC_BYTES);
      await file.datasync();
      tookMs.push(nowMs() - beganMs);
    }
  } finally {
    await file.close();
    await rm(path);
  }
  return median(tookMs) * 1_000;
}
