import type { Store } from '../../client/api.js';
import type { RespListener } from './listener.js';
import { RespServer, type RespOptions } from './server.js';
import { COMMANDS } from './table.js';

export interface RespDoor {
  readonly address: string;
  /** Takes no more connections, answers what has arrived, then cuts off what is left. The store stays open. */
  close(): Promise<void>;
}

const GRACE_MS = 5_000;

/** Serves a store to Redis clients until closed. */
export function startResp(store: Store, listener: RespListener, options: RespOptions): RespDoor {
  const resp = new RespServer(store, COMMANDS, options);
  resp.port = listener.port;
  listener.attach(resp.accept);
  return {
    address: listener.address,
    close: () => resp.close(listener.server, GRACE_MS),
  };
}
