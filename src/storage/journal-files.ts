import {
  closeSync,
  existsSync,
  fdatasync,
  fdatasyncSync,
  mkdirSync,
  read,
  readdirSync,
  readFileSync,
  statSync,
  unlink,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import { allocateFile, UNFINISHED } from './journal-allocation.js';
import { syncDirectory } from './data-files.js';
import { writeError } from './disk-errors.js';
import { SyncPace } from './sync-pace.js';

/**
 * The files of a virtual node's journal: equally large, preallocated, each the image of one log
 * segment. What is in them is the pipeline's affair.
 *
 * A file that was given back is written over as it is: behind a new and shorter segment the bytes
 * of the old one remain, and readers tell them apart by serial and sequence number.
 *
 * Every sync takes a thread of the libuv pool until the disk answers. How many there are is set by
 * UV_THREADPOOL_SIZE where the process starts, with one to spare for each virtual node.
 */
export interface JournalFile {
  /** Name within the directory; never changes, also not when the file is used again. */
  readonly name: string;
  /**
   * Writes all bytes of the view, which may be one of shared memory, at a position of the file.
   * @throws RingletError IO or STORE_FULL; a part may have been written
   */
  write(view: Uint8Array, position: number): void;
  /** Makes everything written so far durable; `done` is called exactly once, never within this call. */
  sync(done: (error?: Error) => void): void;
  /**
   * Does the same before it returns, if syncs of this disk have been brief of late: for who has nothing
   * else to do meanwhile. False: nothing was done.
   * @throws RingletError IO or STORE_FULL
   */
  syncAtOnce(): boolean;
  /** Fills `into` with what stands in the file from a position on; `done` is called exactly once, never within this call. */
  read(into: Uint8Array, position: number, done: (error?: Error) => void): void;
  /** Closes it, after what is under way; the file stays on the disk. */
  close(): void;
}

export interface ExistingJournalFile {
  readonly name: string;
  readonly bytes: number;
  /** The whole contents; read on demand, since all of them at once may be large. */
  read(): Uint8Array;
}

export interface JournalDisk {
  /** A durable file of `bytes` bytes, filled with zeros or, if it was released before, with old contents. */
  allocate(bytes: number, done: (error: Error | undefined, file: JournalFile | undefined) => void): void;
  /** Gives a file back that recovery no longer needs: kept as a spare, or deleted. */
  release(file: JournalFile): void;
  /** Gives up a file after a failed sync. It stays: what was synced before may be the only copy. */
  abandon(file: JournalFile): void;
  /** Deletes a file that was given up, after the engine has confirmed what it holds. */
  delete(file: JournalFile): void;
  /** The files that were there at open, by age. */
  existing(): readonly ExistingJournalFile[];
  /** Deletes them, after the engine has confirmed what they hold. */
  removeExisting(): void;
  /** Closes all files, which stay on the disk; allocations under way end with CLOSED. */
  close(): void;
}

const SPARE_FILES = 2;
const NAME = /^\d{10}\.journal$/;

/** Whether a name in a journal directory is that of a whole file of ours. */
export function isJournalFileName(name: string): boolean {
  return NAME.test(name);
}

/** Whether a file in a journal directory was being made when its thread ended: it holds nothing, and goes at the next open. */
export function isUnfinishedJournalFile(name: string): boolean {
  return name.endsWith(UNFINISHED) && NAME.test(name.slice(0, -UNFINISHED.length));
}

class OpenJournalFile implements JournalFile {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly #fd: number;
  readonly #pace: SyncPace;
  #underWay = 0;
  #closed = false;

  constructor(name: string, path: string, bytes: number, fd: number, pace: SyncPace) {
    this.name = name;
    this.path = path;
    this.bytes = bytes;
    this.#fd = fd;
    this.#pace = pace;
  }

  write(view: Uint8Array, position: number): void {
    assert(!this.#closed, 'a closed journal file is not written');
    assert(position >= 0 && position + view.length <= this.bytes, 'a journal write stays within its file');
    let written = 0;
    while (written < view.length) {
      written += this.#writeSome(view, written, position);
    }
  }

  #writeSome(view: Uint8Array, from: number, position: number): number {
    try {
      return writeSync(this.#fd, view, from, view.length - from, position + from);
    } catch (error) {
      throw writeError(error, this.path);
    }
  }

  sync(done: (error?: Error) => void): void {
    assert(!this.#closed, 'a closed journal file is not synced');
    this.#underWay++;
    const beganMs = performance.now();
    fdatasync(this.#fd, (error) => {
      this.#ended();
      this.#pace.note(performance.now() - beganMs);
      if (error === null) done();
      else done(writeError(error, this.path));
    });
  }

  syncAtOnce(): boolean {
    assert(!this.#closed, 'a closed journal file is not synced');
    if (!this.#pace.brief) return false;
    const beganMs = performance.now();
    try {
      fdatasyncSync(this.#fd);
    } catch (error) {
      throw writeError(error, this.path);
    }
    this.#pace.note(performance.now() - beganMs);
    return true;
  }

  read(into: Uint8Array, position: number, done: (error?: Error) => void): void {
    assert(!this.#closed, 'a closed journal file is not read');
    this.#underWay++;
    read(this.#fd, into, 0, into.length, position, (error, bytes) => {
      this.#ended();
      if (error !== null) done(error);
      else if (bytes < into.length) done(new RingletError('DATA_CORRUPT', `${this.path} ends too early`));
      else done();
    });
  }

  #ended(): void {
    this.#underWay--;
    if (this.#closed && this.#underWay === 0) closeSync(this.#fd);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A descriptor closed under a sync could be another file's by the time the sync runs.
    if (this.#underWay === 0) closeSync(this.#fd);
  }
}

class DirectoryJournalDisk implements JournalDisk {
  readonly #directory: string;
  readonly #open = new Set<OpenJournalFile>();
  #existing: ExistingJournalFile[];
  #spare: OpenJournalFile[] = [];
  readonly #pace = new SyncPace();
  #nextNumber: number;
  #closed = false;

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const found = readdirSync(directory);
    for (const name of found.filter(isUnfinishedJournalFile)) unlinkSync(join(directory, name));
    const names = found.filter(isJournalFileName).sort();
    this.#existing = names.map((name) => existingFile(directory, name));
    this.#nextNumber = names.length === 0 ? 1 : Number.parseInt(names[names.length - 1]!, 10) + 1;
  }

  allocate(bytes: number, done: (error: Error | undefined, file: JournalFile | undefined) => void): void {
    assert(!this.#closed, 'a closed journal allocates nothing');
    const at = this.#spare.findIndex((file) => file.bytes === bytes);
    if (at !== -1) {
      const [file] = this.#spare.splice(at, 1);
      queueMicrotask(() => done(undefined, file));
      return;
    }
    const name = `${String(this.#nextNumber++).padStart(10, '0')}.journal`;
    const path = join(this.#directory, name);
    allocateFile(path, bytes, (error, fd) => {
      if (fd === undefined) {
        done(writeError(error, path), undefined);
        return;
      }
      const file = new OpenJournalFile(name, path, bytes, fd, this.#pace);
      if (this.#closed) {
        file.close();
        done(new RingletError('CLOSED', 'the journal is closed'), undefined);
        return;
      }
      this.#open.add(file);
      done(undefined, file);
    });
  }

  release(file: JournalFile): void {
    const known = this.#own(file);
    if (this.#spare.length < SPARE_FILES) {
      this.#spare.push(known);
      return;
    }
    this.abandon(file);
    this.delete(file);
  }

  delete({ name }: JournalFile): void {
    // Not waited for and without a sync of the directory: should the file come back, or stay, its
    // contents are confirmed ones.
    unlink(join(this.#directory, name), () => {});
  }

  abandon(file: JournalFile): void {
    const known = this.#own(file);
    this.#open.delete(known);
    known.close();
  }

  existing(): readonly ExistingJournalFile[] {
    return this.#existing;
  }

  removeExisting(): void {
    if (this.#existing.length === 0) return;
    for (const { name } of this.#existing) unlinkSync(join(this.#directory, name));
    this.#existing = [];
    syncDirectory(this.#directory);
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#open) file.close();
    this.#open.clear();
    this.#spare = [];
  }

  #own(file: JournalFile): OpenJournalFile {
    for (const known of this.#open) {
      if (known === file && !this.#spare.includes(known)) return known;
    }
    throw new RingletError('INTERNAL', `journal file ${file.name} is not in use`, { name: file.name });
  }
}

function existingFile(directory: string, name: string): ExistingJournalFile {
  const path = join(directory, name);
  return { name, bytes: statSync(path).size, read: () => readFileSync(path) };
}

/** The files of a journal that nobody has open, by age; changes nothing. */
export function existingJournalFiles(directory: string): readonly ExistingJournalFile[] {
  const names = existsSync(directory) ? readdirSync(directory).filter(isJournalFileName) : [];
  return names.toSorted().map((name) => existingFile(directory, name));
}

/** Opens the journal directory of a virtual node, and makes it if it is not there. */
export function openJournalDisk(directory: string): JournalDisk {
  return new DirectoryJournalDisk(directory);
}
