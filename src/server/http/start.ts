import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { FaultControl, Store } from '../../client/api.js';
import type { RingControl } from '../../client/ring-api.js';
import type { HostPort } from '../../config/parse.js';
import type { Access } from '../security/access.js';
import { buildApp } from './app.js';
import type { BackupSource } from './backup.js';
import { bindHttp, type HttpListener } from './listener.js';

export interface HttpOptions {
  /** Where to listen, or a port that {@link bindHttp} has bound before. */
  readonly listen: HostPort | HttpListener;
  /** Where `/admin/` and what operators look at is served instead, if not with the data. */
  readonly admin?: HostPort | HttpListener;
  /** Token and TLS; a listener that is bound already has its own TLS. */
  readonly access?: Access;
  /** Largest body of a request. */
  readonly valueBytes: number;
  /** Names this run of the store in /healthz; default a random one. */
  readonly instance?: string;
  /** What `/admin/faults` acts on: `store.faults` of the store that was opened. */
  readonly faults?: FaultControl;
  /** What `/admin/ring` acts on: `store.members` of the store that was opened. */
  readonly members?: RingControl;
  /** What `/admin/backup` gives: `backupStream` of the store that was opened. */
  readonly backup?: BackupSource;
  /** How long requests in flight may take once `close` is called; default 5,000 ms. */
  readonly graceMs?: number;
  /** Gets errors that a client is told nothing about; default: stderr. */
  readonly report?: (error: unknown) => void;
}

export interface HttpServer {
  /** Such as `http://127.0.0.1:8098`. */
  readonly address: string;
  /** The same unless `admin` was given. */
  readonly adminAddress: string;
  readonly instance: string;
  /** Stops accepting, lets requests in flight end, then cuts off what is left. The store stays open. */
  close(): Promise<void>;
}

/** Serves a store by HTTP until closed. Throws PORT_IN_USE. */
export async function startHttp(store: Store, options: HttpOptions): Promise<HttpServer> {
  const instance = options.instance ?? randomUUID();
  const bound = (at: HostPort | HttpListener): Promise<HttpListener> | HttpListener =>
    'server' in at ? at : bindHttp(at, options.access?.tls);
  const apps: FastifyInstance[] = [];
  const stops: (() => void)[] = [];
  const serve = async (listener: HttpListener, part: 'all' | 'data' | 'admin'): Promise<HttpListener> => {
    const { app, handler, stop } = await buildApp(store, {
      server: listener.server,
      host: listener.host,
      secret: options.access?.secret,
      part,
      valueBytes: options.valueBytes,
      instance,
      faults: options.faults,
      members: options.members,
      backup: options.backup,
      report: options.report ?? ((error) => console.error('ringlet: INTERNAL:', error)),
    });
    listener.attach(handler);
    apps.push(app);
    stops.push(stop);
    return listener;
  };
  const data = await serve(await bound(options.listen), options.admin === undefined ? 'all' : 'data');
  const admin = options.admin === undefined ? data : await serve(await bound(options.admin), 'admin');
  return {
    address: data.address,
    adminAddress: admin.address,
    instance,
    async close() {
      for (const stop of stops) stop();
      const graceMs = options.graceMs ?? 5_000;
      await Promise.all([data.close(graceMs), admin.close(graceMs)]);
      await Promise.all(apps.map((app) => app.close()));
    },
  };
}
