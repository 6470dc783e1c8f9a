import { spawnSync } from 'node:child_process';
import { closeSync, cpSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const MEGABYTES = 160;

/**
 * A small file system of its own for the data of one node, so that filling it harms nobody else.
 * Mounting needs root with CAP_SYS_ADMIN; without it there is none, and the run says so.
 */
export class SmallDisk {
  private readonly path: string;
  private readonly ballast: string;

  private constructor(path: string) {
    this.path = path;
    this.ballast = join(path, 'ballast');
  }

  /** Moves a directory of a store that is closed onto a file system of its own. */
  static under(path: string): SmallDisk | undefined {
    const aside = `${path}.aside`;
    renameSync(path, aside);
    mkdirSync(path);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m,mode=700`, 'tmpfs', path]);
    if (mounted.status !== 0) {
      rmSync(path, { recursive: true });
      renameSync(aside, path);
      return undefined;
    }
    cpSync(aside, path, { recursive: true, preserveTimestamps: true });
    rmSync(aside, { recursive: true });
    return new SmallDisk(path);
  }

  fill(): void {
    const fd = openSync(this.ballast, 'w');
    const block = new Uint8Array(1 << 20);
    try {
      for (;;) writeSync(fd, block);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(fd);
    }
  }

  free(): void {
    rmSync(this.ballast, { force: true });
  }

  unmount(): void {
    spawnSync('umount', ['-l', this.path]);
  }
}
