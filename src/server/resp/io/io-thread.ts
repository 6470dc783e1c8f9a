import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import type { Handle } from '../../../client/api.js';
import { connect } from '../../../client/connect.js';
import type { TlsFiles } from '../../security/access.js';
import { Secret, type SecretParts } from '../../security/secret.js';
import { respServer } from '../listener.js';
import { RespServer, type RespOptions } from '../server.js';
import { COMMANDS } from '../table.js';
import { DoorCounts } from './door-counts.js';
import { duplicateListening } from './listening-socket.js';

/** What a thread of the door is started with. */
export interface IoThreadData extends Pick<
  RespOptions,
  'valueBytes' | 'allowFlush' | 'version' | 'slowReaderMs'
> {
  readonly handle: Handle;
  /** Of the socket that the first thread listens on. */
  readonly fd: number;
  readonly port: number;
  readonly tls: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
  readonly secret: SecretParts | undefined;
  readonly counts: SharedArrayBuffer;
  readonly thread: number;
  /** How long requests may take once it is to end. */
  readonly graceMs: number;
}

export type FromIoThread = { readonly type: 'ready' } | { readonly type: 'fault'; readonly text: string };
export type ToIoThread = { readonly type: 'close' };

/** Entry of a thread that serves connections of the Redis door beside the first one (io-threads.ts). */
async function serve(data: IoThreadData, port: NonNullable<typeof parentPort>): Promise<void> {
  const send = (message: FromIoThread): void => port.postMessage(message);
  const store = connect(data.handle);
  const { secret } = data;
  const resp = new RespServer(store, COMMANDS, {
    ...data,
    secret: secret && new Secret(secret),
    counts: new DoorCounts(data.counts, data.thread),
    report: (error) => send({ type: 'fault', text: textOf(error) }),
  });
  resp.port = data.port;
  const server = respServer(resp.accept, data.tls && buffersOf(data.tls));
  server.listen(await duplicateListening(data.fd));
  await once(server, 'listening');
  send({ type: 'ready' });
  await once(port, 'message');
  await resp.close(server, data.graceMs);
  await store.close();
  port.close();
}

function buffersOf({ cert, key }: NonNullable<IoThreadData['tls']>): TlsFiles {
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

await serve(workerData as IoThreadData, parentPort!);
