import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { printHostPort, type HostPort } from '../../config/parse.js';
import type { TlsFiles } from '../security/access.js';

/** A bound port. Clients are told that the store is loading until somebody accepts them. */
export interface RespListener {
  readonly server: Server;
  /** Such as `resp://127.0.0.1:6398`, `resps` over TLS. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsFiles | undefined;
  attach(accept: (socket: Socket) => void): void;
  close(): Promise<void>;
}

const LOADING = '-LOADING Redis is loading the dataset in memory\r\n';

/** Binds or throws PORT_IN_USE (or IO, for an address that is not this machine's). */
export async function bindResp({ host, port }: HostPort, tls?: TlsFiles): Promise<RespListener> {
  let accept = (socket: Socket): void => {
    socket.on('error', () => undefined);
    socket.end(LOADING, () => socket.destroy());
  };
  const server = respServer((socket) => accept(socket), tls);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(error, host, port)));
    server.listen({ host, port, backlog: 511 }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    server,
    address: `${tls === undefined ? 'resp' : 'resps'}://${printHostPort({ host, port: bound })}`,
    port: bound,
    tls,
    attach(next) {
      accept = next;
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

/** A server that does not listen yet. */
export function respServer(accept: (socket: Socket) => void, tls?: TlsFiles): Server {
  // Half open: what was sent before the end of the input is still answered.
  const options = { allowHalfOpen: true };
  const server =
    tls === undefined ? createServer(options, accept) : createTlsServer({ ...options, ...tls }, accept);
  // One more is told that there are too many.
  server.maxConnections = LIMITS.respConnections + 64;
  return server;
}

function bindError(cause: NodeJS.ErrnoException, host: string, port: number): RingletError {
  const at = printHostPort({ host, port });
  const details = { host, port, errno: cause.code ?? 'unknown' };
  const remedy = 'choose another with --resp HOST:PORT (port 0 takes a free one), or --resp off';
  return cause.code === 'EADDRINUSE'
    ? new RingletError('PORT_IN_USE', `${at} is taken; ${remedy}`, details, { cause })
    : new RingletError('IO', `cannot listen on ${at} (${cause.message}); ${remedy}`, details, { cause });
}
