import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';
import { LIMITS } from '../../base/limits.js';
import { ERROR_CODES, RingletError, type ErrorCode, type ErrorDetails } from '../../base/errors.js';

/** Codes that only HTTP knows; the store's own are in base/errors.ts. */
export const HTTP_CODES = [
  'NOT_FOUND',
  'UNAUTHORIZED',
  'ROUTE_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'RANGE_NOT_SATISFIABLE',
  'HOST_NOT_ALLOWED',
  'NOT_SERVING',
  'STARTING',
] as const;
export type HttpCode = (typeof HTTP_CODES)[number];

/** RFC 9457, with the fields of a RingletError as extensions. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode | HttpCode;
  readonly detail: string;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  /** A write may have taken effect, or may still take effect. */
  readonly maybeApplied: boolean;
}

const RETRY_AFTER_S = '1';
/** Too many requests, not serving, no room: each passes. */
const RETRIED: readonly number[] = [429, 503, 507];

export function problem(
  code: ErrorCode | HttpCode,
  status: number,
  detail: string,
  more: { details?: ErrorDetails; retryable?: boolean; maybeApplied?: boolean } = {},
): Problem {
  const words = code.toLowerCase().replaceAll('_', ' ');
  return {
    type: `urn:ringlet:problem:${words.replaceAll(' ', '-')}`,
    title: `${words[0]!.toUpperCase()}${words.slice(1)}`,
    status,
    code,
    detail,
    details: more.details ?? {},
    retryable: more.retryable ?? false,
    maybeApplied: more.maybeApplied ?? false,
  };
}

export function problemHeaders(body: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'Content-Type': 'application/problem+json' };
  if (RETRIED.includes(body.status) && body.retryable) headers['Retry-After'] = RETRY_AFTER_S;
  return headers;
}

/** `body` may have further members, which RFC 9457 calls extensions. */
export function sendProblem(reply: FastifyReply, body: Problem): FastifyReply {
  // As bytes: fastify adds a charset to the content type of a string, and JSON types have none.
  return reply
    .code(body.status)
    .headers(problemHeaders(body))
    .send(Buffer.from(JSON.stringify(body)));
}

/**
 * What a client may know of an error. The message of one that is not ours can hold paths or
 * values, so that such a one is only a code; `report` gets it whole.
 */
export function problemOf(error: unknown, report: (error: unknown) => void): Problem {
  if (error instanceof RingletError) {
    const status = ERROR_CODES[error.code].http;
    if (error.code === 'INTERNAL') report(error);
    return problem(error.code, status, error.message, error);
  }
  const { statusCode } = error as { statusCode?: unknown };
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const detail = error instanceof Error ? error.message : 'the request is malformed';
    return problem('BAD_REQUEST', statusCode, detail);
  }
  report(error);
  return problem('INTERNAL', 500, 'an unexpected fault; the log of the store has more');
}

const CLIENT_ERROR_STATUS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Bytes that never became a request: there is no response object, so that the answer is written by hand. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  const code = error.code ?? '';
  // Of a connection that broke nobody hears, nor over TLS before hands are shaken: what is written waits for that for ever.
  const isRequest = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT';
  if (!socket.writable || !isRequest) {
    socket.destroy();
    return;
  }
  const status = CLIENT_ERROR_STATUS[code] ?? 400;
  const title = STATUS_CODES[status] ?? 'Bad Request';
  const body = JSON.stringify(problem('BAD_REQUEST', status, `the request cannot be read: ${title}`));
  socket.end(
    `HTTP/1.1 ${status} ${title}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  // At once it might not read the answer; one that never closes would keep its place among the connections.
  setTimeout(() => socket.destroy(), LIMITS.httpLingerMs).unref();
}
