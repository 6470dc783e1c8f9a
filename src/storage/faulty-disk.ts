import { RingletError } from '../base/errors.js';
import type { CommitDone, Engine, EngineMark, EnginePosition, EngineState, EngineVisitor } from './engine.js';
import type { ExistingJournalFile, JournalDisk, JournalFile } from './journal-files.js';

/** How a disk is made to behave. */
export interface DiskFault {
  /** Every sync, read, allocation and commit takes so much longer. */
  readonly slowMs: number;
  /** Nothing is allocated, and no commit succeeds; what has its room can be written. */
  readonly full: boolean;
  /** No sync and no commit succeeds. */
  readonly failSync: boolean;
}

/** The fault that is armed now. */
export type ArmedDiskFault = () => DiskFault | undefined;

function fullError(): RingletError {
  return new RingletError('STORE_FULL', 'no room left on the disk: an injected fault');
}

function syncError(): RingletError {
  return new RingletError('IO', 'the sync failed: an injected fault');
}

/** Calls back in a later turn, after the time that a slow disk takes. */
function afterDelay(armed: ArmedDiskFault, action: () => void): void {
  const slowMs = armed()?.slowMs ?? 0;
  if (slowMs > 0) setTimeout(action, slowMs);
  else action();
}

class FaultyFile implements JournalFile {
  readonly name: string;
  readonly file: JournalFile;
  private readonly armed: ArmedDiskFault;

  constructor(file: JournalFile, armed: ArmedDiskFault) {
    this.name = file.name;
    this.file = file;
    this.armed = armed;
  }

  write(view: Uint8Array, position: number): void {
    this.file.write(view, position);
  }

  sync(done: (error?: Error) => void): void {
    if (this.armed()?.failSync === true) setImmediate(() => afterDelay(this.armed, () => done(syncError())));
    else this.file.sync((error) => afterDelay(this.armed, () => done(error)));
  }

  syncAtOnce(): boolean {
    return this.armed() === undefined && this.file.syncAtOnce();
  }

  read(into: Uint8Array, position: number, done: (error?: Error) => void): void {
    this.file.read(into, position, (error) => afterDelay(this.armed, () => done(error)));
  }

  close(): void {
    this.file.close();
  }
}

/** A journal on a disk that can be made to fail; only where faults are allowed. */
export class FaultyJournalDisk implements JournalDisk {
  private readonly disk: JournalDisk;
  private readonly armed: ArmedDiskFault;

  constructor(disk: JournalDisk, armed: ArmedDiskFault) {
    this.disk = disk;
    this.armed = armed;
  }

  allocate(bytes: number, done: (error: Error | undefined, file: JournalFile | undefined) => void): void {
    const fault = this.armed();
    if (fault?.full === true || fault?.failSync === true) {
      const error = fault.full ? fullError() : syncError();
      setImmediate(() => done(error, undefined));
      return;
    }
    this.disk.allocate(bytes, (error, file) => {
      afterDelay(this.armed, () => done(error, file && new FaultyFile(file, this.armed)));
    });
  }

  release(file: JournalFile): void {
    this.disk.release((file as FaultyFile).file);
  }
  abandon(file: JournalFile): void {
    this.disk.abandon((file as FaultyFile).file);
  }
  delete(file: JournalFile): void {
    this.disk.delete((file as FaultyFile).file);
  }
  existing(): readonly ExistingJournalFile[] {
    return this.disk.existing();
  }
  removeExisting(): void {
    this.disk.removeExisting();
  }
  close(): void {
    this.disk.close();
  }
}

/** The engine on such a disk. Once a commit has failed, all later ones do, as the contract says. */
export class FaultyEngine implements Engine {
  private readonly engine: Engine;
  private readonly armed: ArmedDiskFault;
  /** Outcomes are told in the order of the commits, however slow the disk was at each. */
  private told: Promise<void> = Promise.resolve();
  private failure: Error | undefined;
  private committing = 0;

  constructor(engine: Engine, armed: ArmedDiskFault) {
    this.engine = engine;
    this.armed = armed;
  }

  get state(): EngineState {
    return this.engine.state;
  }

  /** No commit is under way: nobody writes its file. */
  get idle(): boolean {
    return this.committing === 0;
  }

  get(partition: number, bucket: number, key: Uint8Array): Uint8Array | undefined {
    return this.engine.get(partition, bucket, key);
  }
  put(partition: number, bucket: number, key: Uint8Array, record: Uint8Array): void {
    this.engine.put(partition, bucket, key, record);
  }
  remove(partition: number, bucket: number, key: Uint8Array): void {
    this.engine.remove(partition, bucket, key);
  }
  scan(...args: Parameters<Engine['scan']>): void {
    this.engine.scan(...args);
  }
  walk(behind: EnginePosition, beforePartition: number, visit: EngineVisitor): void {
    this.engine.walk(behind, beforePartition, visit);
  }

  commit(mark: EngineMark, done: CommitDone): void {
    const fault = this.armed();
    if (fault?.full === true) this.failure ??= fullError();
    else if (fault?.failSync === true) this.failure ??= syncError();
    const { failure } = this;
    const outcome =
      failure === undefined
        ? new Promise<Error | undefined>((resolve) => this.engine.commit(mark, resolve))
        : Promise.resolve(failure);
    const slow = new Promise<void>((resolve) => afterDelay(this.armed, resolve));
    const before = this.told;
    this.committing++;
    this.told = (async () => {
      const error = await outcome;
      await slow;
      await before;
      this.committing--;
      // A throw of the caller's is its own fault and must not look like one of the commit.
      queueMicrotask(() => done(error));
    })();
  }

  async close(): Promise<void> {
    await this.told;
    await this.engine.close();
  }
}
