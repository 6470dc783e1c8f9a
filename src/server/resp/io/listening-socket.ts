import { fork } from 'node:child_process';
import type { Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { RingletError } from '../../../base/errors.js';

const CHILD = fileURLToPath(new URL('./share-socket.js', import.meta.url));
/** Behind stdin, stdout, stderr and the channel. */
const PLACE = 4;
const PATIENCE_MS = 10_000;

/** The descriptor of a server that listens; undefined where the system has none (Windows). */
export function descriptorOf(server: Server): number | undefined {
  const { _handle: handle } = server as unknown as { readonly _handle?: { readonly fd?: number } | null };
  const fd = handle?.fd ?? -1;
  return fd < 0 ? undefined : fd;
}

/**
 * Another descriptor of a listening socket of this process, for this thread alone. A thread that
 * listened on the other thread's descriptor would close it with its own end, under the feet of
 * everybody else. Node duplicates descriptors only on their way between processes. Listen on the result
 * by `server.listen(…)`.
 *
 * @throws RingletError IO
 */
export async function duplicateListening(fd: number): Promise<object> {
  const child = fork(CHILD, [String(PLACE)], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc', fd],
    execArgv: [],
  });
  return await new Promise<object>((resolve, reject) => {
    const fail = (why: string): void => {
      reject(new RingletError('IO', `the listening socket could not be shared: ${why}`, {}));
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      fail(`no answer within ${PATIENCE_MS} ms`);
    }, PATIENCE_MS);
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => {
      clearTimeout(timer);
      // Where the socket has come before, this changes nothing.
      fail(`exit code ${code}`);
    });
    child.once('message', (_text, socket) => {
      clearTimeout(timer);
      if (socket === undefined) fail('nothing came');
      else resolve(socket);
    });
  });
}
