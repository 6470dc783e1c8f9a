import { RingletError } from '../base/errors.js';
import type { ExistingJournalFile, JournalDisk, JournalFile } from '../storage/journal-files.js';
import { SECTOR, type SimDirectory, type SimFile } from './journal-directory.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

const SPARE_FILES = 2;

/** How the disk of a node is at the moment. */
export interface DiskCondition {
  /** Everything takes so many times as long. */
  slowness: number;
  full: boolean;
  /** So many of the next operations fail. */
  failSyncs: number;
  failWrites: number;
  failCommits: number;
}

export function healthyDisk(): DiskCondition {
  return { slowness: 1, full: false, failSyncs: 0, failWrites: 0, failCommits: 0 };
}

/** What the edges of storage need of the simulation. */
export interface DiskWorld {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly condition: DiskCondition;
  /** How long a commit of the engine takes at most, while the disk is well. */
  readonly commitMs: number;
}

class OpenFile implements JournalFile {
  readonly name: string;
  readonly file: SimFile;
  private readonly disk: SimDisk;

  constructor(file: SimFile, disk: SimDisk) {
    this.name = file.name;
    this.file = file;
    this.disk = disk;
  }

  write(view: Uint8Array, position: number): void {
    this.disk.write(this.file, view, position);
  }
  syncAtOnce(): boolean {
    return false;
  }

  sync(done: (error?: Error) => void): void {
    this.disk.sync(this.file, done);
  }
  read(into: Uint8Array, position: number, done: (error?: Error) => void): void {
    this.disk.read(this.file, into, position, done);
  }
  close(): void {
    // Nothing to give back: the file stays in its directory.
  }
}

/** A journal directory as one thread has it open; after the thread's end nobody is called back. */
export class SimDisk implements JournalDisk {
  private readonly directory: SimDirectory;
  private readonly world: DiskWorld;
  private readonly used = new Set<JournalFile>();
  private spare: OpenFile[] = [];
  private old: ExistingJournalFile[];
  private closed = false;
  inFlight = 0;

  constructor(directory: SimDirectory, world: DiskWorld) {
    this.directory = directory;
    this.world = world;
    this.old = Array.from(directory.files.values())
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((file) => ({ name: file.name, bytes: file.bytes, read: () => file.contents() }));
  }

  allocate(bytes: number, done: (error: Error | undefined, file: JournalFile | undefined) => void): void {
    this.later(0.2, 3, () => {
      const again = this.spare.pop();
      if (again === undefined && this.world.condition.full) {
        done(new RingletError('STORE_FULL', 'the simulated disk is full'), undefined);
        return;
      }
      const file = again ?? new OpenFile(this.directory.create(bytes), this);
      this.used.add(file);
      done(undefined, file);
    });
  }

  release(file: JournalFile): void {
    if (!this.used.delete(file))
      throw new RingletError('INTERNAL', `journal file ${file.name} is not in use`);
    // Nothing may depend on a file that was given back: some go at once.
    if (this.spare.length < SPARE_FILES && this.world.random.chance(0.5)) this.spare.push(file as OpenFile);
    else this.directory.delete((file as OpenFile).file);
  }

  abandon(file: JournalFile): void {
    this.used.delete(file);
  }

  delete(file: JournalFile): void {
    this.directory.delete((file as OpenFile).file);
  }

  existing(): readonly ExistingJournalFile[] {
    return this.old;
  }

  removeExisting(): void {
    for (const { name } of this.old) this.directory.deleteForGood(name);
    this.old = [];
  }

  close(): void {
    this.closed = true;
  }

  write(file: SimFile, view: Uint8Array, position: number): void {
    const { condition, random } = this.world;
    if (condition.failWrites > 0) {
      condition.failWrites--;
      // Some whole sectors may have been written.
      const end = Math.floor((position + random.below(view.length)) / SECTOR) * SECTOR;
      if (end > position) file.write(view.subarray(0, end - position), position);
      throw new RingletError('IO', 'the simulated write failed');
    }
    file.write(view, position);
  }

  read(file: SimFile, into: Uint8Array, position: number, done: (error?: Error) => void): void {
    this.later(0.1, 2, () => {
      into.set(file.contents().subarray(position, position + into.length));
      done();
    });
  }

  sync(file: SimFile, done: (error?: Error) => void): void {
    const complete = file.sync();
    this.later(0.3, 4, () => {
      const { condition } = this.world;
      if (condition.failSyncs > 0) {
        condition.failSyncs--;
        done(new RingletError('IO', 'the simulated sync failed'));
        return;
      }
      complete();
      done();
    });
  }

  private later(leastMs: number, mostMs: number, action: () => void): void {
    const { scheduler, random, condition } = this.world;
    this.inFlight++;
    scheduler.after(random.between(leastMs, mostMs) * condition.slowness, () => {
      this.inFlight--;
      if (!this.closed) action();
    });
  }
}
