import { closeSync, fsyncSync, openSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { RingletError } from '../base/errors.js';
import { headerFault } from './lmdb-header.js';

/**
 * How every environment is opened, by the virtual node that owns it and by the process that
 * verifies it: the choice of the snapshot after an unclean stop depends on these settings.
 */
export type LmdbEnvironment = RootDatabase<Uint8Array, Uint8Array>;

/** Address space, not memory; the environment grows beyond it by mapping anew. Windows sizes the file by it. */
const MAP_BYTES = process.platform === 'win32' ? 64 << 20 : 4 * 2 ** 30;

/** Puts after which lmdb-js would begin to write a batch that is still being made. */
const NEVER_EARLY = 2 ** 31;

/**
 * Opens an environment, or makes one where there is none.
 * @throws RingletError DATA_CORRUPT or IO, with the remedy
 */
export function openEnvironment(directory: string): LmdbEnvironment {
  try {
    if (dataFileBytes(directory) !== undefined) assertHeader(directory);
    return openUnchecked(directory);
  } catch (error) {
    throw error instanceof RingletError ? error : readError(error, directory);
  }
}

function assertHeader(directory: string): void {
  const fault = headerFault(dataFileOf(directory));
  if (fault === undefined) return;
  throw new RingletError(
    'DATA_CORRUPT',
    `${dataFileOf(directory)} is damaged: ${fault}; restore the data directory from a backup`,
    { path: directory, reason: fault },
  );
}

function openUnchecked(directory: string): LmdbEnvironment {
  const options = {
    path: directory,
    // Else a directory called "n1.0" would be taken for a file.
    noSubdir: false,
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: MAP_BYTES,
    permissionsMode: 0o600,
    // With the default 7 of 46 power cuts left a corrupt environment.
    safeRestore: true,
    // A commit is one explicit batch. The batching by event turn makes a promise that nobody can
    // reach, and whose rejection at a failed sync ends the thread.
    eventTurnBatching: false,
    // A thread that is terminated while it fills a batch must leave no writer waiting for the rest.
    batchStartThreshold: NEVER_EARLY,
  } as const;
  return open<Uint8Array, Uint8Array>(options);
}

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

const EIO = 5;
const ENOSPC = 28;
const EDQUOT = 122;
/** A full disk reaches us as an input/output error, or without a code, too: below so much free space we call it full. */
const FULL_BELOW_BYTES = 1 << 20;

/** A failed write as the error that callers know: STORE_FULL or IO. */
export function writeError(cause: unknown, directory: string): RingletError {
  const code = codeOf(cause);
  const details = { path: directory, code: code ?? null };
  const full =
    code === ENOSPC ||
    code === EDQUOT ||
    code === 'ENOSPC' ||
    code === 'EDQUOT' ||
    ((code === undefined || code === EIO || code === 'EIO') && almostFull(directory));
  if (full) {
    return new RingletError(
      'STORE_FULL',
      `no room left on the disk of ${directory}; free some space`,
      details,
      {
        cause,
      },
    );
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RingletError(
    'IO',
    `writing to ${directory} failed: ${reason}; check the disk and restart`,
    details,
    { cause },
  );
}

/** A failed read: LMDB found its own structure damaged, or the disk did not answer. */
export function readError(cause: unknown, directory: string): RingletError {
  const code = codeOf(cause);
  const reason = cause instanceof Error ? cause.message : String(cause);
  const errno = typeof code === 'string' || (code !== undefined && code > 0);
  return new RingletError(
    errno ? 'IO' : 'DATA_CORRUPT',
    `reading ${dataFileOf(directory)} failed: ${reason}; ` +
      (errno ? 'check the disk and restart' : 'restore the data directory from a backup'),
    { path: directory, code: code ?? null },
    { cause },
  );
}

function codeOf(error: unknown): string | number | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' || typeof error.code === 'number' ? error.code : undefined;
}

function almostFull(directory: string): boolean {
  try {
    const disk = statfsSync(directory);
    return disk.bavail * disk.bsize < FULL_BELOW_BYTES;
  } catch {
    return false;
  }
}
