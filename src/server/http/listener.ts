import {
  createServer,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { RingletError } from '../../base/errors.js';
import { printHostPort, type HostPort } from '../../config/parse.js';
import type { TlsFiles } from '../security/access.js';
import { problem, problemHeaders } from './problem.js';

/** Node has no limit of its own on connections, and generous ones on time. */
const MAX_CONNECTIONS = 1_024;
/** Time for all headers, and for the whole request: a slow client does not hold a connection for ever. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 120_000;
const KEEP_ALIVE_MS = 65_000;
/** Two contexts (16 KiB each, in base64url) and the longest percent-encoded key fit. */
const MAX_HEADER_BYTES = 64 << 10;

/** A bound port. It answers 503 until a handler is attached, so that it can be had before the store opens. */
export interface HttpListener {
  readonly server: Server;
  /** Such as `http://127.0.0.1:8098`. */
  readonly address: string;
  /** The host that it was asked to bind. */
  readonly host: string;
  attach(handler: RequestListener): void;
  /** Takes no more connections, lets requests in flight end for up to `graceMs`, then cuts them off. */
  close(graceMs: number): Promise<void>;
}

/** Binds or throws PORT_IN_USE (or IO, for an address that is not this machine's). */
export async function bindHttp(at: HostPort, tls?: TlsFiles): Promise<HttpListener> {
  let handler: RequestListener = answerStarting;
  const inFlight = new Set<ServerResponse>();
  let closing: Promise<void> | undefined;
  const options: ServerOptions = {
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const listener: RequestListener = (request, response) => {
    inFlight.add(response);
    response.once('close', () => {
      inFlight.delete(response);
      // A response whose headers went out before the drain began leaves an idle connection behind.
      if (closing !== undefined) setImmediate(() => server.closeIdleConnections());
    });
    if (closing !== undefined) response.setHeader('Connection', 'close');
    handler(request, response);
  };
  const server: Server =
    tls === undefined ? createServer(options, listener) : createTlsServer({ ...options, ...tls }, listener);
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, at);
  const { port } = server.address() as AddressInfo;
  return {
    server,
    address: `${tls === undefined ? 'http' : 'https'}://${printHostPort({ host: at.host, port })}`,
    host: at.host,
    attach(listener) {
      handler = listener;
    },
    close(graceMs) {
      closing ??= drain(server, inFlight, graceMs);
      return closing;
    },
  };
}

function listen(server: Server, { host, port }: HostPort): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function bindError(cause: NodeJS.ErrnoException, host: string, port: number): RingletError {
  const details = { host, port, errno: cause.code ?? 'unknown' };
  if (cause.code === 'EADDRINUSE') {
    const remedy =
      'stop what listens there, or choose another with --http HOST:PORT (port 0 takes a free one)';
    return new RingletError('PORT_IN_USE', `${printHostPort({ host, port })} is taken; ${remedy}`, details, {
      cause,
    });
  }
  const remedy = 'choose an address of this machine and a port that you may bind with --http HOST:PORT';
  return new RingletError(
    'IO',
    `cannot listen on ${printHostPort({ host, port })} (${cause.message}); ${remedy}`,
    details,
    {
      cause,
    },
  );
}

function drain(server: Server, inFlight: ReadonlySet<ServerResponse>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cutOff);
      resolve();
    });
    for (const response of inFlight) {
      if (!response.headersSent) response.setHeader('Connection', 'close');
    }
    server.closeIdleConnections();
  });
}

const answerStarting: RequestListener = (_request, response) => {
  const body = problem('STARTING', 503, 'the store is opening', { retryable: true });
  response.writeHead(503, { ...problemHeaders(body), Connection: 'close' });
  response.end(JSON.stringify(body));
};
