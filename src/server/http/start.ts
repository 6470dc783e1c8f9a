import { randomUUID } from 'node:crypto';
import type { FaultControl, Store } from '../../client/api.js';
import { buildApp } from './app.js';
import { bindHttp, type HttpListener } from './listener.js';

export interface HttpOptions {
  /** Where to listen, or a port that {@link bindHttp} has bound before. */
  readonly listen: { readonly host: string; readonly port: number } | HttpListener;
  /** Largest body of a request. */
  readonly valueBytes: number;
  /** Names this run of the store in /healthz; default a random one. */
  readonly instance?: string;
  /** What `/admin/faults` acts on: `store.faults` of the store that was opened. */
  readonly faults?: FaultControl;
  /** How long requests in flight may take once `close` is called; default 5,000 ms. */
  readonly graceMs?: number;
  /** Gets errors that a client is told nothing about; default: stderr. */
  readonly report?: (error: unknown) => void;
}

export interface HttpServer {
  /** Such as `http://127.0.0.1:8098`. */
  readonly address: string;
  readonly instance: string;
  /** Stops accepting, lets requests in flight end, then cuts off what is left. The store stays open. */
  close(): Promise<void>;
}

/** Serves a store by HTTP until closed. Throws PORT_IN_USE. */
export async function startHttp(store: Store, options: HttpOptions): Promise<HttpServer> {
  const listener = 'server' in options.listen ? options.listen : await bindHttp(options.listen);
  const instance = options.instance ?? randomUUID();
  const { app, handler } = await buildApp(store, {
    server: listener.server,
    host: listener.host,
    valueBytes: options.valueBytes,
    instance,
    faults: options.faults,
    report: options.report ?? ((error) => console.error('ringlet: INTERNAL:', error)),
  });
  listener.attach(handler);
  return {
    address: listener.address,
    instance,
    async close() {
      await listener.close(options.graceMs ?? 5_000);
      await app.close();
    },
  };
}
