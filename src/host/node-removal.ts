import { existsSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../storage/data-files.js';
import { codeOf, writeError } from '../storage/disk-errors.js';
import { NODE_FILE } from './manifest.js';

/**
 * A node's directory goes: first what says whose it is, so that half of it is never taken for a whole. A mount
 * point stays, empty.
 * @throws RingletError IO
 */
export function removeNodeDirectory(directory: string): void {
  if (!existsSync(directory)) return;
  try {
    rmSync(join(directory, NODE_FILE), { force: true });
    syncDirectory(directory);
    removeTree(directory);
    syncDirectory(dirname(directory));
  } catch (error) {
    throw writeError(error, directory);
  }
}

/** Node's own recursive removal leaves all that is below a mount point. */
function removeTree(path: string): void {
  const isDirectory = lstatSync(path).isDirectory();
  if (isDirectory) for (const name of readdirSync(path)) removeTree(join(path, name));
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!isDirectory || codeOf(error) !== 'EBUSY') throw error;
  }
}
