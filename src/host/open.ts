import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { Handle, HostStore, OpenOptions, StartupReport } from '../client/api.js';
import { Connection } from '../client/connection.js';
import { ConnectedStore } from '../client/store.js';
import type { StoreView } from '../client/view.js';
import { SLOTS } from '../messaging/claims.js';
import { RULE_LWW, RULE_SIBLINGS } from '../messaging/frames.js';
import {
  allocateShared,
  bucketFacts,
  SharedLayout,
  STORE_CLOSED,
  STORE_CLOSING,
  STORE_OPEN,
  STORE_READER_EPOCH,
  STORE_RING_EPOCH,
  STORE_STATE,
} from '../messaging/layout.js';
import { buildRing } from '../ring/ring.js';
import { BufferLayout } from '../storage/buffer-layout.js';
import { HostBuckets } from './buckets.js';
import { ClockMark } from './clock-mark.js';
import { type DataDirectory, openDataDirectory } from './data-directory.js';
import { Faults } from './faults.js';
import { Handles } from './handles.js';
import { type ResolvedOptions, resolveOptions } from './resolve-options.js';
import { type Assignment, type Internals, type Ready, Supervisor } from './supervisor.js';

/** How long close() waits for requests of this thread. */
const DRAIN_MS = 5_000;

/**
 * Opens a store in this process: one thread per virtual node, shared memory between all of them.
 *
 * @throws RingletError BAD_REQUEST (options), DATA_LOCKED, DATA_FOREIGN, DATA_CORRUPT,
 *   TOPOLOGY_CHANGED, STORE_FULL, IO; each message names the remedy, files are untouched
 */
export function open(options: OpenOptions = {}): Promise<HostStore> {
  return openWith(options, {});
}

/** {@link open}, for tests and fault injection. */
export async function openWith(options: OpenOptions, internals: Internals): Promise<OpenedStore> {
  const startedMs = performance.now();
  refusePlatform();
  const resolved = resolveOptions(options);
  const ring = buildRing({
    partitions: resolved.partitions,
    nodes: resolved.nodes,
    spacing: resolved.spacing,
  });
  const directory = resolved.engine === 'lmdb' ? await openDirectory(resolved) : undefined;
  /** Verification is part of a recovery. */
  const lookedMs = performance.now() - startedMs;
  try {
    const view = viewOf(resolved, ring);
    const control = new Int32Array(view.shared.control);
    control[STORE_READER_EPOCH] = 1;
    control[STORE_RING_EPOCH] = ring.epoch | 0;
    const layout = new SharedLayout(view.shared.shape);
    // Before the virtual nodes start: they need n and rule of every bucket that they hold.
    const buckets = new HostBuckets(
      directory && keeperOf(directory),
      resolved.defaults,
      resolved.nodes.length,
      resolved.engine,
      ({ number, properties: { n, conflict } }) => {
        const rule = conflict === 'lww' ? RULE_LWW : RULE_SIBLINGS;
        Atomics.store(control, layout.bucketWord(number), bucketFacts(n, rule));
      },
    );
    const actors = new Actors(directory);
    const supervisor = new Supervisor(assignmentsOf(view, resolved, directory, actors), () => actors.next(), {
      ...internals,
      faults: internals.faults === true || resolved.allowFaults,
    });
    let readies: readonly Ready[];
    try {
      readies = await supervisor.start();
      directory?.markServing();
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    const clockMark = directory && new ClockMark(directory.path, view.shared.control);
    Atomics.store(control, STORE_STATE, STORE_OPEN);
    const clean =
      directory?.fresh !== false ||
      [...directory.vnodes.values()].every((vnode) => vnode.clean !== undefined);
    return new OpenedStore(resolved, view, supervisor, directory, buckets, clockMark, {
      fresh: directory?.fresh ?? true,
      cleanShutdown: clean,
      recoveryMs: clean ? 0 : Math.round(lookedMs + Math.max(...readies.map(({ recoveryMs }) => recoveryMs))),
      recoveredRecords: readies.reduce((sum, { recoveredRecords }) => sum + recoveredRecords, 0),
      totalMs: Math.round(performance.now() - startedMs),
    });
  } catch (error) {
    await directory?.release();
    throw error;
  }
}

function refusePlatform(): void {
  if (process.platform !== 'win32' || process.env['RINGLET_FORCE_PLATFORM'] === '1') return;
  throw new RingletError(
    'UNSUPPORTED_PLATFORM',
    'Ringlet is not tested on Windows; set RINGLET_FORCE_PLATFORM=1 to try it all the same',
    { platform: process.platform },
  );
}

function openDirectory(options: ResolvedOptions): Promise<DataDirectory> {
  const topology = { nodes: options.nodes, partitions: options.partitions, spacing: options.spacing };
  const ids = new Map(
    options.nodes.map(({ id, vnodes }) => [id, Array.from({ length: vnodes }, (_, i) => `${id}.${i}`)]),
  );
  return openDataDirectory(options.data, topology, ids);
}

function viewOf(options: ResolvedOptions, ring: StoreView['ring']): StoreView {
  const layout = new BufferLayout(options.buffer);
  return {
    shared: allocateShared(
      {
        vnodes: ring.vnodes.length,
        callers: options.maxCallers,
        claimsPerCaller: SLOTS,
        callerRingBytes: LIMITS.callerRingBytes,
        vnodeRingBytes: LIMITS.vnodeRingBytes,
      },
      options.allowFaults,
    ),
    buffers: ring.vnodes.map(() => new SharedArrayBuffer(layout.totalBytes)),
    bufferShape: options.buffer,
    ring,
    engine: options.engine,
    valueBytes: options.valueBytes,
    maxRecordBytes: options.maxRecordBytes,
    maxCallers: options.maxCallers,
    directReads: options.directReads,
    defaults: options.defaults,
    openedAtMs: Date.now(),
  };
}

/** Actor numbers nobody has had before: from durable blocks, or, with nothing on disk, just counted. */
class Actors {
  private readonly directory: DataDirectory | undefined;
  private at = 1;
  private end = 0;

  constructor(directory: DataDirectory | undefined) {
    this.directory = directory;
  }

  next(): number {
    if (this.directory === undefined) return this.at++;
    if (this.at >= this.end) {
      this.at = this.directory.reserveActors();
      this.end = this.at + 256;
    }
    return this.at++;
  }
}

function assignmentsOf(
  view: StoreView,
  options: ResolvedOptions,
  directory: DataDirectory | undefined,
  actors: Actors,
): Assignment[] {
  return view.ring.vnodes.map(({ ordinal, id, node }) => {
    const found = directory?.vnodes.get(id);
    return {
      base: {
        ordinal,
        id,
        ring: view.ring,
        shared: view.shared,
        buffer: view.buffers[ordinal]!,
        bufferShape: view.bufferShape,
        maxRecordBytes: view.maxRecordBytes,
        flushMs: options.flushMs,
      },
      firstActor: found?.clean?.actor ?? actors.next(),
      disk: found && {
        directory: found.directory,
        storeId: directory!.storeId,
        nodeId: node,
        mayCreate: found.mayCreate,
        clean: found.clean,
        sameBoot: found.sameBoot,
        restarted: false,
      },
    };
  });
}

function keeperOf(directory: DataDirectory): ConstructorParameters<typeof HostBuckets>[0] {
  return {
    load: () => directory.loadBuckets(),
    save: (buckets) => directory.saveBuckets(buckets),
  };
}

export class OpenedStore extends ConnectedStore implements HostStore {
  readonly startup: StartupReport;
  readonly faults: Faults;
  private readonly handles: Handles;

  constructor(
    options: ResolvedOptions,
    view: StoreView,
    supervisor: Supervisor,
    directory: DataDirectory | undefined,
    buckets: HostBuckets,
    clockMark: ClockMark | undefined,
    startup: StartupReport,
  ) {
    const connection = new Connection(view, 0);
    const handles = new Handles(view, buckets);
    let closed: Promise<void> | undefined;
    super(connection, buckets, options.resolvers, () => {
      closed ??= close(connection, view, handles, supervisor, directory, clockMark);
      return closed;
    });
    this.startup = startup;
    this.handles = handles;
    this.supervisor = supervisor;
    this.faults = new Faults(view, supervisor);
  }

  /** For fault injection in tests; not part of the public interface. */
  readonly supervisor: Supervisor;

  handle(): Handle {
    this.connection.assertOpen();
    return this.handles.create();
  }
}

async function close(
  connection: Connection,
  view: StoreView,
  handles: Handles,
  supervisor: Supervisor,
  directory: DataDirectory | undefined,
  clockMark: ClockMark | undefined,
): Promise<void> {
  const control = new Int32Array(view.shared.control);
  await connection.drain(DRAIN_MS);
  Atomics.store(control, STORE_STATE, STORE_CLOSING);
  connection.close();
  const marks = await supervisor.stop();
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
