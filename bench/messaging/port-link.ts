import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Link } from './link.js';

export interface PortMessage {
  readonly id: number;
  readonly body: Uint8Array;
}

/** Structured clone over a MessagePort, as programs with worker threads do it. */
export async function openPortLink(bytes: number): Promise<Link> {
  const worker = new Worker(new URL('./port-echo.js', import.meta.url));
  const body = new Uint8Array(bytes);
  await once(worker, 'online');
  return {
    start: (onReply) => {
      worker.on('message', (message: PortMessage) => onReply(message.id));
    },
    send: (id) => worker.postMessage({ id, body } satisfies PortMessage),
    flush: () => undefined,
    close: async () => {
      await worker.terminate();
    },
  };
}
