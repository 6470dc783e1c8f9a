import type { FastifyRequest } from 'fastify';

/** Bytes of a value, the end exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range that a GET asks for (RFC 9110 §14), so that a large value can be had in pieces.
 * Undefined: the whole value, which is also the answer to several ranges, to what is no range, and
 * when `If-Range` names another version. Null: there are no such bytes.
 */
export function rangeOf(request: FastifyRequest, length: number, etag: string): ByteRange | null | undefined {
  const { range, 'if-range': condition } = request.headers;
  if (range === undefined || request.method !== 'GET') return undefined;
  if (condition !== undefined && condition !== etag) return undefined;
  const match = /^bytes=(\d{1,15})?-(\d{1,15})?$/.exec(range);
  if (match === null) return undefined;
  const [, first, last] = match;
  if (first === undefined) {
    if (last === undefined) return undefined;
    const suffix = Math.min(Number(last), length);
    return suffix === 0 ? null : { start: length - suffix, end: length };
  }
  if (last !== undefined && Number(last) < Number(first)) return undefined;
  const start = Number(first);
  if (start >= length) return null;
  return { start, end: last === undefined ? length : Math.min(Number(last) + 1, length) };
}
