import { close, fsync, open, rename, unlink, write } from 'node:fs';
import { dirname } from 'node:path';

const BLOCK_BYTES = 1 << 20;
const ZEROS = new Uint8Array(BLOCK_BYTES);

/** Added to the name of a file that is being filled; left behind only by a killed process. */
export const UNFINISHED = '.new';

type Allocated = (error: Error | undefined, fd: number | undefined) => void;

/**
 * Makes a file whose blocks exist, so that a later sync of data written into it has no metadata to
 * write: twice the syncs per second of a growing file. It gets its name only when it is whole, so
 * that a short file under that name is damage; it and its name are durable when `done` is called.
 * All steps run in the libuv pool; the thread only starts them. On an error nothing is left behind.
 */
export function allocateFile(path: string, bytes: number, done: Allocated): void {
  const unfinished = path + UNFINISHED;
  open(unfinished, 'w+', 0o600, (openError, fd) => {
    if (openError !== null) {
      done(openError, undefined);
      return;
    }
    const finish = (error: Error | null): void => {
      if (error === null) done(undefined, fd);
      else discard(unfinished, fd, () => done(error, undefined));
    };
    fillWithZeros(fd, 0, bytes, (fillError) => {
      if (fillError !== null) {
        finish(fillError);
        return;
      }
      fsync(fd, (syncError) => {
        if (syncError !== null) {
          finish(syncError);
          return;
        }
        rename(unfinished, path, (renameError) => {
          if (renameError !== null) {
            finish(renameError);
            return;
          }
          syncName(dirname(path), (nameError) => {
            // Without this each further attempt, under another number, would leave one more.
            if (nameError !== null) discard(path, fd, () => done(nameError, undefined));
            else done(undefined, fd);
          });
        });
      });
    });
  });
}

function fillWithZeros(fd: number, position: number, end: number, done: (error: Error | null) => void): void {
  if (position >= end) {
    done(null);
    return;
  }
  write(fd, ZEROS, 0, Math.min(BLOCK_BYTES, end - position), position, (error, written) => {
    if (error !== null) done(error);
    else fillWithZeros(fd, position + written, end, done);
  });
}

function syncName(directory: string, done: (error: Error | null) => void): void {
  if (process.platform === 'win32') {
    done(null);
    return;
  }
  open(directory, 'r', (openError, fd) => {
    if (openError !== null) {
      done(openError);
      return;
    }
    fsync(fd, (syncError) => close(fd, (closeError) => done(syncError ?? closeError)));
  });
}

function discard(path: string, fd: number, done: () => void): void {
  // The first error is the one to report; these two can only fail for the same reason.
  close(fd, () => unlink(path, () => done()));
}
