import { onTestFinished } from 'vitest';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporary } from './support.js';

/** A file system of our own, so that filling it harms nobody; undefined where we may not mount. */
export function mountSmall(megabytes: number, path = temporary()): string | undefined {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path]);
  if (mounted.status !== 0) return undefined;
  onTestFinished(() => void spawnSync('umount', ['-l', path]));
  return path;
}

/** Mounting needs root with CAP_SYS_ADMIN; without it tests are skipped. */
export function mayMount(): boolean {
  const path = mkdtempSync(join(tmpdir(), 'ringlet-mount-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]);
  if (status === 0) spawnSync('umount', [path]);
  rmSync(path, { recursive: true });
  return status === 0;
}
