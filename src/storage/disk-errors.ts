import { statfsSync } from 'node:fs';
import { constants } from 'node:os';
import { RingletError } from '../base/errors.js';
import { dataFileOf } from './data-files.js';

const EIO = 5;
const ENOSPC = 28;
const EDQUOT = 122;
/** A full disk reaches us as an input/output error, or without a code, too: below so much free space we call it full. */
const FULL_BELOW_BYTES = 1 << 20;

/** Where it is not the disk. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'make the directory first, or name another',
  ENOTDIR: 'name a path below a directory',
  EACCES: 'let this user write there, or name another place',
  EPERM: 'let this user write there, or name another place',
  EROFS: 'name a place that can be written',
  ENAMETOOLONG: 'use a shorter name',
};

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
  const remedy = REMEDIES[code ?? ''] ?? 'check the disk and restart';
  return new RingletError('IO', `writing to ${directory} failed: ${reason}; ${remedy}`, details, { cause });
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

/** Faults of what surrounds a file: they say nothing of what is in it. LMDB gives their numbers. */
const AROUND = ['EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC', 'EDQUOT'] as const;
const AROUND_CODES: ReadonlySet<unknown> = new Set(AROUND.flatMap((name) => [name, constants.errno[name]]));

/** Whether a failed read tells of permissions, a full disk and the like, and nothing of the data. */
export function isAround(error: unknown): boolean {
  if (error instanceof RingletError) return error.code === 'IO' && AROUND_CODES.has(error.details['code']);
  return AROUND_CODES.has(codeOf(error));
}

export function codeOf(error: unknown): string | number | undefined {
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
