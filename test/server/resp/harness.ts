import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { HostStore, OpenOptions } from '../../../src/client/api.js';
import type { RespListener } from '../../../src/server/resp/listener.js';
import type { RespOptions } from '../../../src/server/resp/server.js';
import type { TlsFiles } from '../../../src/server/security/access.js';
import type { RespDoor } from '../../../src/server/resp/start.js';
import { Client } from './client.js';
import { open } from '../../../src/index.js';
import { bindResp } from '../../../src/server/resp/listener.js';
import { startResp, startRespThreads } from '../../../src/server/resp/start.js';

/** Compiled, since worker threads cannot load TypeScript; by a variable, so that tsc does not read its own output. */

export const VALUE_BYTES = 200_000;

export interface Door {
  readonly store: HostStore;
  readonly port: number;
  /** A connection that is closed after the test. */
  connect(): Promise<Client>;
  /** A door of its own in front of the same store, closed after the test. */
  another(options: Partial<RespOptions>): Promise<number>;
  /** The same, served by so many threads. */
  threaded(options: Partial<RespOptions>, threads: number, tls?: TlsFiles): Promise<ThreadedDoor>;
}

export interface ThreadedDoor {
  readonly port: number;
  /** All but this one, in the order of their start. */
  readonly workers: readonly Worker[];
  /** How many of them have said that they serve. */
  readonly serving: number;
  readonly reported: readonly unknown[];
  close(): Promise<void>;
}

/** A store, in memory unless the options say otherwise, for all tests of a file, and a door in front of it. */
export function openDoor(storeOptions: OpenOptions = {}): Door {
  let store: HostStore;
  let listener: RespListener;
  let door: RespDoor;
  const reported: unknown[] = [];
  const leftovers: (() => unknown)[] = [];
  const options: RespOptions = {
    valueBytes: VALUE_BYTES,
    allowFlush: true,
    version: '1.2.3',
    report: (error) => reported.push(error),
  };

  beforeAll(async () => {
    const usual = { engine: 'memory', nodes: 3, memoryMiB: 64, valueBytes: VALUE_BYTES } as const;
    store = await open({ ...usual, ...storeOptions });
    listener = await bindResp({ host: '127.0.0.1', port: 0 });
    door = startResp(store, listener, options);
  });
  afterEach(async () => {
    for (const cleanUp of leftovers.splice(0).toReversed()) await cleanUp();
  });
  afterAll(async () => {
    await door.close();
    await store.close();
    expect(reported).toEqual([]);
  });

  return {
    get store() {
      return store;
    },
    get port() {
      return listener.port;
    },
    async connect() {
      const client = await Client.connect(listener.port);
      leftovers.push(() => client.close());
      return client;
    },
    async another(more) {
      const own = await bindResp({ host: '127.0.0.1', port: 0 });
      const its = startResp(store, own, { ...options, ...more });
      leftovers.push(() => its.close());
      return own.port;
    },
    async threaded(more, threads, tls) {
      const own = await bindResp({ host: '127.0.0.1', port: 0 }, tls);
      const workers: Worker[] = [];
      const faults: unknown[] = [];
      let serving = 0;
      const noteWorker = (worker: Worker): void => {
        workers.push(worker);
        worker.once('message', () => serving++);
      };
      process.on('worker', noteWorker);
      const all = { ...options, report: (error: unknown) => faults.push(error), ...more };
      const its = await startRespThreads(store, own, all, threads);
      let closed: Promise<void> | undefined;
      const close = (): Promise<void> => (closed ??= its.close());
      leftovers.push(() => close().finally(() => process.off('worker', noteWorker)));
      return {
        port: own.port,
        workers,
        get serving() {
          return serving;
        },
        reported: faults,
        close,
      };
    },
  };
}
