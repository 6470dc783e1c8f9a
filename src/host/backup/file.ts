import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RingletError } from '../../base/errors.js';
import { checkPath } from '../../client/arguments.js';
import type { BackupSummary } from '../../client/backup-api.js';
import { syncDirectory } from '../../storage/data-files.js';
import { writeError } from '../../storage/disk-errors.js';
import { assertWanted, BackupReader, readBackup } from './reader.js';

/**
 * Keeps a stream of a backup in a new file. What is written is synced and read again, with every checksum,
 * before the file gets its name: a file of that name is a whole backup. Otherwise nothing is left.
 *
 * @throws RingletError BAD_REQUEST (there is such a file), STORE_FULL, IO, ABORTED, or what the backup failed with
 */
export async function writeBackup(
  path: string,
  pieces: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<BackupSummary> {
  checkPath('a backup is written to the path of a new file', path);
  const target = resolve(path);
  assertNew(target);
  const aside = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const written = await writeSynced(aside, path, pieces, signal);
    const { summary } = await readBackup(aside, undefined, signal);
    if (summary.records !== written.records || summary.bytes !== written.bytes) {
      throw new RingletError(
        'IO',
        `${target} was read back with other content than was written; check the disk`,
        {
          path: target,
          written: written.bytes,
          read: summary.bytes,
        },
      );
    }
    // It took a while: somebody else's may be there by now.
    assertNew(target);
    await rename(aside, target);
    syncDirectory(dirname(target));
    return summary;
  } catch (error) {
    await rm(aside, { force: true });
    throw error instanceof RingletError ? error : writeError(error, target);
  }
}

function assertNew(target: string): void {
  if (!existsSync(target)) return;
  throw new RingletError('BAD_REQUEST', `${target} exists; name a new file for the backup`, { path: target });
}

async function writeSynced(
  aside: string,
  name: string,
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<BackupSummary> {
  const file = await open(aside, 'wx', 0o600);
  try {
    // What the stream says of itself is heard while it comes: its failure is the error to tell.
    const reader = new BackupReader(name);
    for await (const piece of pieces) {
      assertWanted(signal);
      reader.push(piece);
      for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
    }
    const { summary } = reader.end();
    await file.sync();
    return summary;
  } finally {
    await file.close();
  }
}
