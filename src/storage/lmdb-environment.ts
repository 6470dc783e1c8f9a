import { open, type RootDatabase } from 'lmdb';
import { RingletError } from '../base/errors.js';
import { dataFileBytes, dataFileOf } from './data-files.js';
import { readError } from './disk-errors.js';
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
