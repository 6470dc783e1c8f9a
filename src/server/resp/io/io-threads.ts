import { Worker } from 'node:worker_threads';
import { RingletError } from '../../../base/errors.js';
import type { HostStore } from '../../../client/api.js';
import type { RespListener } from '../listener.js';
import type { RespOptions } from '../server.js';
import type { DoorCounts } from './door-counts.js';
import type { FromIoThread, IoThreadData, ToIoThread } from './io-thread.js';
import { descriptorOf } from './listening-socket.js';

const ENTRY = new URL('./io-thread.js', import.meta.url);
/** One that dies is started again after a moment; if it dies again soon, after longer and longer. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
const SOUND_MS = 10_000;
/** Of a thread that does not end by itself when its time is over. */
const PATIENCE_MS = 2_000;

/**
 * The threads that serve a Redis door beside the first one, on the same port: each has a descriptor of the
 * listening socket and a caller slot of its own, so they share nothing but the counts. The system gives
 * a connection to one of those that wait for one. A thread that dies takes its connections with it and
 * nothing else; another takes its place.
 */
export class IoThreads {
  private readonly store: HostStore;
  private readonly listener: RespListener;
  private readonly options: RespOptions;
  private readonly counts: DoorCounts;
  private readonly fd: number;
  private readonly graceMs: number;
  private readonly workers = new Map<number, Worker>();
  private readonly pauses = new Map<number, NodeJS.Timeout>();
  private closing = false;

  private constructor(
    store: HostStore,
    listener: RespListener,
    options: RespOptions & { readonly counts: DoorCounts },
    graceMs: number,
  ) {
    this.store = store;
    this.listener = listener;
    this.options = options;
    this.counts = options.counts;
    this.graceMs = graceMs;
    this.fd = fdOf(listener);
  }

  /**
   * Starts threads 1 to `threads` − 1 and waits until they serve.
   *
   * @throws RingletError TOO_MANY_CALLERS; IO where the socket cannot be shared
   */
  static async start(
    store: HostStore,
    listener: RespListener,
    options: RespOptions & { readonly counts: DoorCounts },
    threads: number,
    graceMs: number,
  ): Promise<IoThreads> {
    const all = new IoThreads(store, listener, options, graceMs);
    try {
      await Promise.all(Array.from({ length: threads - 1 }, (_, i) => all.begin(i + 1)));
    } catch (error) {
      await all.close();
      throw error;
    }
    return all;
  }

  /** Resolves when the thread serves. */
  private begin(thread: number, pauseMs = 0): Promise<void> {
    const handle = this.store.handle();
    const { valueBytes, allowFlush, version, secret, slowReaderMs } = this.options;
    const data: IoThreadData = {
      handle,
      fd: this.fd,
      port: this.listener.port,
      tls: this.listener.tls,
      secret: secret?.parts,
      valueBytes,
      allowFlush,
      version,
      ...(slowReaderMs === undefined ? {} : { slowReaderMs }),
      counts: this.counts.shared,
      thread,
      graceMs: this.graceMs,
    };
    const transferList = [...handle.transferList];
    const worker = new Worker(ENTRY, { workerData: data, transferList, name: `ringlet io ${thread}` });
    this.workers.set(thread, worker);
    const startedMs = performance.now();
    let serves = false;
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromIoThread) => {
        if (message.type === 'fault') {
          this.options.report(new Error(message.text));
          return;
        }
        serves = true;
        resolve();
      });
      let fault: unknown;
      worker.on('error', (error) => {
        fault = error;
      });
      worker.on('exit', (code) => {
        this.workers.delete(thread);
        this.counts.ended(thread);
        fault ??= new RingletError('IO', `thread ${thread} of the Redis door has ended`, { thread, code });
        reject(fault);
        // The first start has somebody who waits for it.
        if (this.closing || (!serves && pauseMs === 0)) return;
        this.options.report(fault);
        const sound = performance.now() - startedMs >= SOUND_MS;
        this.again(thread, sound || pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, pauseMs * 2));
      });
    });
  }

  private again(thread: number, pauseMs: number): void {
    const timer = setTimeout(() => {
      this.pauses.delete(thread);
      try {
        this.begin(thread, pauseMs).catch(() => undefined);
      } catch (error) {
        // Its predecessor's caller slot may still be about to become free.
        this.options.report(error);
        this.again(thread, Math.min(LONGEST_PAUSE_MS, pauseMs * 2));
      }
    }, pauseMs).unref();
    this.pauses.set(thread, timer);
  }

  /** As the door's `close`, in all these threads. */
  async close(): Promise<void> {
    this.closing = true;
    for (const timer of this.pauses.values()) clearTimeout(timer);
    await Promise.all([...this.workers.values()].map((worker) => this.end(worker)));
  }

  private async end(worker: Worker): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => resolve());
    });
    worker.postMessage({ type: 'close' } satisfies ToIoThread);
    const timer = setTimeout(() => void worker.terminate(), this.graceMs + PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  }
}

function fdOf(listener: RespListener): number {
  const fd = descriptorOf(listener.server);
  if (fd !== undefined) return fd;
  throw new RingletError(
    'IO',
    'threads cannot share a listening socket on this system; use --io-threads 1',
    {},
  );
}
