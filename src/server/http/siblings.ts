import { createHash } from 'node:crypto';
import { validateHeaderValue } from 'node:http';
import type { Sibling } from '../../client/api.js';

/** A sibling as JSON carries it, in a 300 envelope and in listings. */
export interface SiblingJson {
  /** base64 */
  readonly value: string;
  readonly contentType: string;
  /** Tells the siblings of one answer apart. */
  readonly etag: string;
  /** ISO 8601 */
  readonly modifiedAt: string;
  /** ISO 8601; only if it expires. */
  readonly expiresAt?: string;
}

export function siblingJson(sibling: Sibling): SiblingJson {
  const { value, contentType, modifiedAtMs, expiresAtMs } = sibling;
  return {
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64'),
    contentType,
    etag: siblingTag(sibling),
    modifiedAt: new Date(modifiedAtMs).toISOString(),
    ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
}

/** About so many bytes in JSON: those of the values in base64. */
export function jsonBytes(siblings: readonly Sibling[]): number {
  const valueBytes = siblings.reduce((sum, { value }) => sum + value.byteLength, 0);
  return Math.ceil((valueBytes * 4) / 3);
}

export function siblingTag({ value, contentType, modifiedAtMs }: Sibling): string {
  const hash = createHash('sha1').update(`${contentType}\0${modifiedAtMs}\0`).update(value);
  return `"${hash.digest('base64url')}"`;
}

let lastSafe = 'application/octet-stream';

/** A value put through the library can have a content type that no header may hold. */
export function safeContentType(contentType: string): string {
  if (contentType === lastSafe) return contentType;
  try {
    validateHeaderValue('Content-Type', contentType);
    if (contentType === '') return 'application/octet-stream';
    lastSafe = contentType;
    return contentType;
  } catch {
    return 'application/octet-stream';
  }
}
