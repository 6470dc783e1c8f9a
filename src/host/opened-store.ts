import type { Handle, HostStore, StartupReport } from '../client/api.js';
import type { BackupOptions, BackupSummary } from '../client/backup-api.js';
import { Connection } from '../client/connection.js';
import { ConnectedStore } from '../client/store.js';
import type { StoreView } from '../client/view.js';
import { STORE_CLOSED, STORE_CLOSING, STORE_STATE } from '../messaging/layout.js';
import { raiseReaderEpoch } from '../messaging/reader-epoch.js';
import type { Backups } from './backup/collect.js';
import { writeBackup } from './backup/file.js';
import type { HostBuckets } from './buckets.js';
import type { ClockMark } from './clock-mark.js';
import type { DataDirectory } from './data-directory.js';
import { Faults } from './faults.js';
import type { FaultySupervisor } from './faulty-supervisor.js';
import type { Handles } from './handles.js';
import type { ResolvedOptions } from './resolve-options.js';
import type { HostRing } from './ring-control.js';

/** How long close() waits for requests of this thread. */
const DRAIN_MS = 5_000;

export interface OpenedParts {
  readonly options: ResolvedOptions;
  readonly view: StoreView;
  readonly supervisor: FaultySupervisor;
  /** Absent where nothing is on disk, and with it the mark of the clock. */
  readonly directory: DataDirectory | undefined;
  readonly clockMark: ClockMark | undefined;
  readonly buckets: HostBuckets;
  readonly handles: Handles;
  readonly members: HostRing;
  readonly backups: (connection: Connection) => Backups;
  readonly startup: StartupReport;
}

/** The store in the thread that opened it: what all callers can do, and handles, faults, backups and the end of it. */
export class OpenedStore extends ConnectedStore implements HostStore {
  readonly startup: StartupReport;
  readonly faults: Faults;
  readonly members: HostRing;
  private readonly handles: Handles;
  private readonly backups: Backups;

  constructor(parts: OpenedParts) {
    const { options, view, supervisor, buckets, handles, members } = parts;
    const connection = new Connection(view, 0);
    let closed: Promise<void> | undefined;
    super(connection, buckets, options.resolvers, () => {
      closed ??= close(connection, parts);
      return closed;
    });
    this.startup = parts.startup;
    this.handles = handles;
    this.members = members;
    this.supervisor = supervisor;
    this.faults = new Faults(view, supervisor);
    this.backups = parts.backups(connection);
  }

  /** For fault injection in tests; not part of the public interface. */
  readonly supervisor: FaultySupervisor;

  async backup(file: string, options?: BackupOptions): Promise<BackupSummary> {
    return await writeBackup(file, this.backupStream(options), options?.signal);
  }

  backupStream(options?: BackupOptions): AsyncIterableIterator<Uint8Array> {
    this.connection.assertOpen();
    return this.backups.stream(options);
  }

  handle(): Handle {
    this.connection.assertOpen();
    return this.handles.create();
  }
}

async function close(connection: Connection, parts: OpenedParts): Promise<void> {
  const { view, handles, supervisor, directory, clockMark, members } = parts;
  const control = new Int32Array(view.shared.control);
  const ringStands = members.close();
  await connection.drain(DRAIN_MS);
  Atomics.store(control, STORE_STATE, STORE_CLOSING);
  raiseReaderEpoch(control);
  connection.close();
  const marks = await supervisor.stop();
  await ringStands;
  Atomics.store(control, STORE_STATE, STORE_CLOSED);
  handles.closeAll();
  if (directory === undefined) return;
  try {
    clockMark?.stop();
    marks.forEach((mark, ordinal) => {
      if (mark !== undefined) directory.writeClean(view.ring.vnodes[ordinal]!.id, mark);
    });
  } finally {
    await directory.release();
  }
}
