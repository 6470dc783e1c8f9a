import { join } from 'node:path';
import type { Engine } from '../storage/engine.js';
import { type ArmedDiskFault, FaultyEngine, FaultyJournalDisk } from '../storage/faulty-disk.js';
import { type JournalDisk, openJournalDisk } from '../storage/journal-files.js';
import { Journal } from '../storage/journal.js';
import { openLmdbEngine } from '../storage/lmdb-open.js';
import type { ObjectBuffer } from '../storage/object-buffer.js';
import { recoverJournal, type Recovered } from '../storage/recovery.js';
import { ownerTag } from '../storage/segment-header.js';
import type { VnodeDisk } from './worker-protocol.js';

/** What a virtual node's thread has open of its directory. */
export interface DiskStorage {
  readonly engine: Engine;
  readonly files: JournalDisk;
  readonly journal: Journal;
  readonly recovered: Recovered;
}

/**
 * Opens engine and journal, and replays the journal unless the object buffer has what is in it.
 *
 * @param hooks what the disk is made to do (only where faults are allowed), and whom the journal wakes
 */
export async function openDiskStorage(
  vnodeId: string,
  disk: VnodeDisk,
  buffer: ObjectBuffer,
  { fault, wake }: { readonly fault: ArmedDiskFault | undefined; readonly wake: () => void },
): Promise<DiskStorage> {
  const { directory, storeId, nodeId } = disk;
  buffer.owner = ownerTag(storeId, vnodeId);
  const identity = { storeId, nodeId, vnodeId };
  const lmdb = await openLmdbEngine({
    directory: join(directory, 'engine'),
    identity,
    mayCreate: disk.mayCreate,
  });
  const journalDirectory = join(directory, 'journal');
  const engine = fault === undefined ? lmdb : new FaultyEngine(lmdb, fault);
  const real = openJournalDisk(journalDirectory);
  const files = fault === undefined ? real : new FaultyJournalDisk(real, fault);
  const journal = new Journal(buffer, files, wake);
  let recovered: Recovered = { records: 0, lastSequence: 0, lastSerial: 0, lastGeneration: 0 };
  if (!disk.restarted) {
    recovered = await recoverJournal(files.existing(), engine, disk.sameBoot, journalDirectory, buffer.owner);
    files.removeExisting();
    const lastSequence = Math.max(recovered.lastSequence, (disk.clean?.nextSequence ?? 1) - 1);
    buffer.startAt(
      lastSequence,
      recovered.lastGeneration + 1,
      Math.max(recovered.lastSerial, engine.state.confirmedSerial),
    );
  }
  return { engine, files, journal, recovered };
}
