import type { HostStore, Store } from '../../client/api.js';
import { DoorCounts } from './io/door-counts.js';
import { IoThreads } from './io/io-threads.js';
import type { RespListener } from './listener.js';
import { RespServer, type RespOptions } from './server.js';
import { COMMANDS } from './table.js';

export interface RespDoor {
  readonly address: string;
  /** Takes no more connections, answers what has arrived, then cuts off what is left. The store stays open. */
  close(): Promise<void>;
}

const GRACE_MS = 5_000;

/** Serves a store to Redis clients until closed, in this thread. */
export function startResp(store: Store, listener: RespListener, options: RespOptions): RespDoor {
  const resp = new RespServer(store, COMMANDS, options);
  resp.port = listener.port;
  listener.attach(resp.accept);
  return {
    address: listener.address,
    close: () => resp.close(listener.server, GRACE_MS),
  };
}

/**
 * The same in so many threads, this one among them; each of the others takes a caller slot.
 *
 * @throws RingletError TOO_MANY_CALLERS; IO where threads cannot share a listening socket
 */
export async function startRespThreads(
  store: HostStore,
  listener: RespListener,
  options: RespOptions,
  threads: number,
): Promise<RespDoor> {
  const shared = { ...options, counts: DoorCounts.create(threads) };
  const others =
    threads === 1 ? undefined : await IoThreads.start(store, listener, shared, threads, GRACE_MS);
  const door = startResp(store, listener, shared);
  return {
    address: door.address,
    close: async () => {
      await Promise.all([door.close(), others?.close()]);
    },
  };
}
