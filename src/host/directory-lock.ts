import { closeSync, constants, openSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { RingletError } from '../base/errors.js';

/** Ownership of a data directory by this process, until it is released or the process ends in any way. */
export interface DirectoryLock {
  release(): Promise<void>;
}

/** The file that is locked on macOS; elsewhere there is none. */
export const LOCK_FILE = 'lock';

/** open(2) on macOS: take an exclusive lock in the same step. */
const O_EXLOCK = 0x20;

/**
 * Takes a directory for this process. The kernel gives it back however the process ends, so that
 * there is nothing stale to judge: no pid, no age.
 *
 * Linux: a listening socket in the abstract namespace, named by the directory's device and inode.
 * That namespace belongs to the network namespace: two containers that share a volume but not
 * their network do not see each other's lock, and must not open the same directory. Windows: a
 * named pipe. macOS: an exclusive lock on a file. Names of sockets are open to every user of the
 * machine: one who means harm can keep a name taken, never get at data.
 *
 * @throws RingletError DATA_LOCKED when another process, or this one, holds it
 */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  if (process.platform === 'darwin') return lockFile(directory);
  if (process.platform === 'win32')
    return await lockName(directory, `\\\\.\\pipe\\${nameOf(directory)}`, undefined);
  // Held open, so that the inode of a directory that is deleted meanwhile is not given to another.
  const fd = openSync(directory, constants.O_RDONLY);
  return await lockName(directory, `\0${nameOf(directory)}`, fd);
}

function nameOf(directory: string): string {
  const { dev, ino } = statSync(directory, { bigint: true });
  return `ringlet-${dev}-${ino}`;
}

function lockName(directory: string, path: string, fd: number | undefined): Promise<DirectoryLock> {
  const letGo = (): void => {
    if (fd !== undefined) closeSync(fd);
  };
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      letGo();
      reject(error.code === 'EADDRINUSE' ? locked(directory) : cannotLock(directory, error));
    });
    // `exclusive`: in a cluster worker the primary would else listen for all workers at once.
    server.listen({ path, exclusive: true }, () => {
      server.unref();
      resolve({
        release: () =>
          new Promise((released) => {
            server.close(() => {
              letGo();
              released();
            });
          }),
      });
    });
  });
}

function lockFile(directory: string): DirectoryLock {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  try {
    const fd = openSync(join(directory, LOCK_FILE), flags, 0o600);
    return {
      release: () => {
        closeSync(fd);
        return Promise.resolve();
      },
    };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw code === 'EAGAIN' || code === 'EWOULDBLOCK' ? locked(directory) : cannotLock(directory, error);
  }
}

function locked(directory: string): RingletError {
  return new RingletError(
    'DATA_LOCKED',
    `${directory} is in use by another process; stop that one, or use another data directory`,
    { path: directory },
  );
}

function cannotLock(directory: string, cause: unknown): RingletError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new RingletError(
    'IO',
    `${directory} cannot be locked: ${reason}; use a data directory on a local disk`,
    { path: directory },
    { cause },
  );
}
