import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RingletError } from '../base/errors.js';
import { syncDirectory } from '../storage/data-files.js';
import { writeError } from '../storage/disk-errors.js';

/**
 * Small files of the data directory: JSON objects with a checksum as their last field (SHA-256 of
 * the object without it), replaced as a whole. A reader sees the old one or the new one, also
 * after a power cut.
 */
export const TEMPORARY_SUFFIX = '.tmp';

export type SealedFile<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'missing' }
  | { readonly kind: 'damaged' }
  /** Made by another version; nothing but the format was looked at. */
  | { readonly kind: 'unknown-format'; readonly format: number };

/** Any object that names its format. */
interface Sealable {
  readonly format: number;
}

/** The text of such a file. */
function sealed(value: Sealable): string {
  const checksum = checksumOf(JSON.stringify(value));
  return `${JSON.stringify({ ...value, checksum }, undefined, 2)}\n`;
}

/** Writes an object durably in place of what is there. @throws RingletError IO or STORE_FULL */
export function writeSealed(path: string, value: Sealable): void {
  const temporary = path + TEMPORARY_SUFFIX;
  try {
    writeSynced(temporary, sealed(value));
    renameSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    removeIfPossible(temporary);
    throw writeError(error, path);
  }
}

function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A disk that takes nothing may not let it go either. The next one of its name takes its place.
  }
}

/**
 * As {@link writeSealed}, on a thread that serves requests: it goes on while the disk works. One at a time
 * for each file. @throws RingletError IO or STORE_FULL
 */
export async function replaceSealed(path: string, value: Sealable): Promise<void> {
  const temporary = path + TEMPORARY_SUFFIX;
  try {
    await synced(temporary, 'w', (file) => file.writeFile(sealed(value)));
    await rename(temporary, path);
    if (process.platform !== 'win32') await synced(dirname(path), 'r');
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw writeError(error, path);
  }
}

/** Opens a file or directory, does something with it, and syncs it. */
async function synced(
  path: string,
  flags: 'r' | 'w',
  action?: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await action?.(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

function writeSynced(path: string, text: string): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Reads what {@link writeSealed} wrote. The checksum vouches for the fields: whoever passes it
 * wrote it with this format.
 * @throws RingletError IO when there is a file that the system does not let us read
 */
export function readSealed<T extends Sealable>(path: string, format: number): SealedFile<T> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { kind: 'missing' };
    const reason = error instanceof Error ? error.message : String(error);
    const isNoDirectory = error instanceof Error && 'code' in error && error.code === 'ENOTDIR';
    const message = isNoDirectory
      ? `${dirname(path)} is a file, or below one, where a directory belongs; name another directory, or move that file away`
      : `${path} cannot be read: ${reason}; check its permissions and the disk`;
    throw new RingletError('IO', message, { path, reason }, { cause: error });
  }
  const fields = parseObject(text);
  if (fields === undefined) return { kind: 'damaged' };
  if (typeof fields['format'] === 'number' && fields['format'] !== format) {
    return { kind: 'unknown-format', format: fields['format'] };
  }
  const { checksum, ...value } = fields;
  if (checksum !== checksumOf(JSON.stringify(value))) return { kind: 'damaged' };
  return { kind: 'ok', value: value as unknown as T };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function checksumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
