import {
  createServer,
  type RequestListener,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { printHostPort, type HostPort } from '../../config/parse.js';
import type { TlsFiles } from '../security/access.js';
import { problem, problemHeaders, type Problem } from './problem.js';
import { Turns } from './turns.js';

/** How long a slow client may take: Node has generous limits on time, and none for who does not read. */
export interface Patience {
  readonly headersMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
  readonly stalledMs: number;
}

const PATIENCE: Patience = {
  headersMs: LIMITS.httpHeadersMs,
  requestMs: LIMITS.httpRequestMs,
  idleMs: LIMITS.httpIdleMs,
  stalledMs: LIMITS.httpStalledMs,
};

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

/**
 * Each connection, which knows its answer under way. Not a set of those that are in flight: it would be made
 * anew every few dozen requests, and V8's young generation keeps what a table held that is dead and old. Every
 * request would live until the next full collection, and be copied twice before.
 */
type Connections = Map<Socket, Turns>;

/** Binds or throws PORT_IN_USE (or IO, for an address that is not this machine's). */
export async function bindHttp(
  at: HostPort,
  tls?: TlsFiles,
  patience: Patience = PATIENCE,
): Promise<HttpListener> {
  let handler: RequestListener = answerStarting;
  const connections: Connections = new Map();
  let closing: Promise<void> | undefined;
  const options: ServerOptions = {
    headersTimeout: patience.headersMs,
    requestTimeout: patience.requestMs,
    keepAliveTimeout: patience.idleMs,
    connectionsCheckingInterval: Math.ceil(patience.headersMs / 4),
    maxHeaderSize: LIMITS.httpHeaderBytes,
    // The guard says what is missing; Node would say nothing.
    requireHostHeader: false,
  };
  const begin: RequestListener = (request, response) => {
    if (closing !== undefined) last(server, response);
    handler(request, response);
  };
  const listener: RequestListener = (request, response) =>
    connections.get(request.socket)?.take(request, response);
  const server: Server =
    tls === undefined
      ? createServer(options, listener)
      : createTlsServer({ ...options, ...tls, handshakeTimeout: patience.headersMs }, listener);
  server.maxConnections = LIMITS.httpConnections;
  server.on('checkExpectation', answerExpectation);
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    connections.set(socket, new Turns(socket, begin));
    socket.once('close', () => connections.delete(socket));
  });
  await listen(server, at);
  const watch = setInterval(watchReaders, patience.stalledMs / 4, connections, patience.stalledMs);
  watch.unref();
  server.once('close', () => clearInterval(watch));
  const { port } = server.address() as AddressInfo;
  return {
    server,
    address: `${tls === undefined ? 'http' : 'https'}://${printHostPort({ host: at.host, port })}`,
    host: at.host,
    attach(listener) {
      handler = listener;
    },
    close(graceMs) {
      closing ??= drain(server, connections, graceMs);
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

const watched = new WeakSet<Socket>();

/**
 * Sets a time limit on connections whose client has not taken its answer yet, and lifts it from
 * those that have: what is looked at now and then costs the requests nothing. Node counts the time
 * since the last byte that the client took.
 */
function watchReaders(connections: Connections, stalledMs: number): void {
  for (const [socket, { current }] of connections) {
    if (current === undefined) {
      // The time is Node's own again: that of an idle connection.
      watched.delete(socket);
      continue;
    }
    const waits = socket.writableLength > 0;
    if (waits === watched.has(socket)) continue;
    if (waits) watched.add(socket);
    else watched.delete(socket);
    socket.setTimeout(waits ? stalledMs : 0);
  }
}

function drain(server: Server, connections: Connections, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cutOff = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(cutOff);
      resolve();
    });
    for (const { current } of connections.values()) if (current !== undefined) last(server, current);
    server.closeIdleConnections();
  });
}

/** The connection of this response goes when it has ended. */
function last(server: Server, response: ServerResponse): void {
  if (!response.headersSent) response.setHeader('Connection', 'close');
  // One whose headers are out already leaves an idle connection behind.
  response.once('close', () => setImmediate(() => server.closeIdleConnections()));
}

const answerStarting: RequestListener = (_request, response) => {
  endWith(response, problem('STARTING', 503, 'the store is opening', { retryable: true }));
};

const answerExpectation: RequestListener = ({ headers }, response) => {
  const detail = `header Expect: got "${(headers.expect ?? '').slice(0, 100)}", expected 100-continue`;
  endWith(response, problem('BAD_REQUEST', 417, detail));
};

/** Past fastify, and the last one of its connection. */
function endWith(response: ServerResponse, body: Problem): void {
  response.writeHead(body.status, { ...problemHeaders(body), Connection: 'close' });
  response.end(JSON.stringify(body));
}
