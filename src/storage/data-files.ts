import { closeSync, fsyncSync, openSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The file of an LMDB environment. */
export function dataFileOf(directory: string): string {
  return join(directory, 'data.mdb');
}

/** Bytes of the environment's data file; undefined when there is none. */
export function dataFileBytes(directory: string): number | undefined {
  return statSync(dataFileOf(directory), { throwIfNoEntry: false })?.size;
}

/** Makes the names in a directory durable. Windows cannot, and does not need to. */
export function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Room on the file system of a directory, in bytes. */
export function freeBytes(directory: string): number {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    // It cannot be asked: trying is the way to find out.
    return Number.POSITIVE_INFINITY;
  }
}
