import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { Handle, HostStore, OpenOptions, StartupReport } from '../client/api.js';
import type { BackupOptions, BackupSummary } from '../client/backup-api.js';
import { Connection } from '../client/connection.js';
import { latencyBytes } from '../client/latencies.js';
import { ConnectedStore } from '../client/store.js';
import type { StoreView } from '../client/view.js';
import { SLOTS } from '../messaging/claims.js';
import { RULE_LWW, RULE_SIBLINGS } from '../messaging/frames.js';
import {
  allocateShared,
  bucketFacts,
  cacheFacts,
  SharedLayout,
  STORE_CLOSED,
  STORE_CLOSING,
  STORE_OPEN,
  STORE_READER_EPOCH,
  STORE_STATE,
  takesRequests,
  VNODE_COUNTERS,
  VNODE_STATE,
} from '../messaging/layout.js';
import { raiseReaderEpoch } from '../messaging/reader-epoch.js';
import { RingTable } from '../messaging/ring-table.js';
import { rollBack } from '../ring/change.js';
import { firstState, renumbered, type RingState, slotsOfNodes } from '../ring/state.js';
import { memberCount, ringOfState } from '../ring/live-ring.js';
import { GAUGE_ENGINE_KEYS, GAUGE_HINTS } from '../shard/environment.js';
import type { VnodeDisk } from '../shard/worker-protocol.js';
import { BufferLayout, LIVE_KEYS } from '../storage/buffer-layout.js';
import { Backups } from './backup/collect.js';
import { writeBackup } from './backup/file.js';
import { HostBuckets } from './buckets.js';
import { ClockMark } from './clock-mark.js';
import {
  type DataDirectory,
  openDataDirectory,
  storedTopology,
  type VnodeDirectory,
} from './data-directory.js';
import { Faults } from './faults.js';
import { FaultySupervisor } from './faulty-supervisor.js';
import { Handles } from './handles.js';
import type { Ready } from './incarnation.js';
import { DATA, type ResolvedOptions, resolveOptions } from './resolve-options.js';
import { HostRing } from './ring-control.js';
import type { Assignment, Caretaker, Internals, Supervisor } from './supervisor.js';

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
  const onDisk = (options.engine ?? 'lmdb') === 'lmdb';
  const resolved = resolveOptions(options, onDisk ? storedTopology(options.data ?? DATA) : undefined);
  const directory = resolved.engine === 'lmdb' ? await openDirectory(resolved) : undefined;
  /** Verification is part of a recovery. */
  const lookedMs = performance.now() - startedMs;
  try {
    const state = stateOf(resolved, directory);
    const ring = ringOfState(state);
    const view = viewOf(resolved, ring);
    const control = new Int32Array(view.shared.control);
    control[STORE_READER_EPOCH] = 1;
    const layout = new SharedLayout(view.shared.shape);
    // Before the virtual nodes start: they need n and rule of every bucket that they hold.
    const buckets = new HostBuckets(
      directory && keeperOf(directory),
      resolved.defaults,
      resolved.nodes.length,
      resolved.engine,
      ({ number, properties: { n, conflict, cache, maxBytes } }) => {
        const rule = conflict === 'lww' ? RULE_LWW : RULE_SIBLINGS;
        const limit = cache === true ? cacheFacts(maxBytes ?? Number.POSITIVE_INFINITY) : 0;
        Atomics.store(control, layout.cacheWord(number), limit);
        Atomics.store(control, layout.bucketWord(number), bucketFacts(n, rule));
      },
    );
    const actors = new Actors(directory);
    const assignments = new Assignments(view, resolved, directory, actors);
    const table = new RingTable(view.shared.control, view.shared.topology);
    const handles = new Handles(view, buckets);
    let supervisor!: FaultySupervisor;
    const members = new HostRing(
      {
        view,
        table,
        replicas: () => buckets.replicas(),
        save: (next) => directory?.saveRing(next),
        start: async (node) => {
          const slots = slotsOfNodes([node]);
          const ids = slots.map((_, i) => `${node.id}.${i}`);
          directory?.addNode(node.id, ids);
          for (const slot of slots) handles.tellBuffer(slot, (view.buffers[slot] = newBuffer(resolved)));
          await supervisor.add(slots.map((slot, i) => assignments.of(slot, ids[i]!)));
        },
        end: async (node) => {
          await supervisor.retire(slotsOfNodes([node]));
          directory?.removeNode(node.id);
        },
        serves: (slot) => takesRequests(Atomics.load(control, layout.vnodeWord(slot) + VNODE_STATE)),
        keys: () => keysOf(view),
      },
      state,
    );
    buckets.allowReplicas = (n) => members.allowReplicas(n);
    buckets.nodeCount = () => memberCount(view.ring);
    supervisor = new FaultySupervisor(
      ring.vnodes.map(({ ordinal, id }) => assignments.of(ordinal, id)),
      () => actors.next(),
      { ...internals, faults: internals.faults === true || resolved.allowFaults },
      directory && caretakerOf(directory, view),
    );
    supervisor.onFacts = members.facts;
    let readies: readonly Ready[];
    try {
      readies = await supervisor.start();
      directory?.markServing();
      members.resume();
    } catch (error) {
      await supervisor.stop();
      throw error;
    }
    const clockMark = directory && new ClockMark(directory.path, view.shared.control);
    Atomics.store(control, STORE_STATE, STORE_OPEN);
    raiseReaderEpoch(control);
    const clean =
      directory?.fresh !== false ||
      [...directory.vnodes.values()].every((vnode) => vnode.clean !== undefined);
    const store = new OpenedStore(
      resolved,
      view,
      supervisor,
      directory,
      buckets,
      handles,
      members,
      clockMark,
      (connection) =>
        new Backups({
          connection,
          storeId: directory?.storeId ?? null,
          buckets: () => buckets.list(),
          nextActor: () => actors.next(),
          holdRing: () => members.hold(),
        }),
      {
        fresh: directory?.fresh ?? true,
        cleanShutdown: clean,
        recoveryMs: clean
          ? 0
          : Math.round(lookedMs + Math.max(...readies.map(({ recoveryMs }) => recoveryMs))),
        recoveredRecords: readies.reduce((sum, { recoveredRecords }) => sum + recoveredRecords, 0),
        totalMs: Math.round(performance.now() - startedMs),
        rebuilding: directory?.rebuilding ?? [],
      },
    );
    void members.become(resolved.joiners, resolved.leavers);
    return store;
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
  return {
    shared: allocateShared(
      {
        vnodes: options.maxVnodes,
        callers: options.maxCallers,
        claimsPerCaller: SLOTS,
        callerRingBytes: LIMITS.callerRingBytes,
        vnodeRingBytes: LIMITS.vnodeRingBytes,
      },
      options.allowFaults,
    ),
    buffers: ring.vnodes.map(() => newBuffer(options)),
    bufferShape: options.buffer,
    latencies: new SharedArrayBuffer(latencyBytes(options.maxCallers)),
    ring,
    engine: options.engine,
    valueBytes: options.valueBytes,
    maxRecordBytes: options.maxRecordBytes,
    maxCallers: options.maxCallers,
    directReads: options.directReads,
    coordination: options.coordination,
    foregroundP99Ms: options.foregroundP99Ms,
    defaults: options.defaults,
    openedAtMs: Date.now(),
  };
}

/** Its pages are used only as data arrives. */
function newBuffer({ buffer }: ResolvedOptions): SharedArrayBuffer {
  return new SharedArrayBuffer(new BufferLayout(buffer).totalBytes);
}

/** Who owns what: as the directory says, or, where the ring has never changed, as the topology does. */
function stateOf(options: ResolvedOptions, directory: DataDirectory | undefined): RingState {
  const { partitions, nodes, spacing } = options;
  const stored = directory?.ring;
  if (directory === undefined || stored === undefined) return firstState({ partitions, nodes, spacing });
  // Nobody was handed anything to: it is as if it had never been asked to join.
  const state = stored.change?.phase === 'starting' ? rollBack(stored) : stored;
  for (const { id, gone } of state.nodes) {
    if (gone === true && !nodes.some((node) => node.id === id)) directory.removeNode(id);
  }
  const opened = renumbered(state);
  directory.saveRing(opened);
  return opened;
}

/** What every virtual node has in its buffer or its engine. */
function keysOf(view: StoreView): Promise<readonly number[]> {
  const control = new Int32Array(view.shared.control);
  const layout = new SharedLayout(view.shared.shape);
  const keys = view.buffers.map((buffer, slot) => {
    const inEngine = Atomics.load(control, layout.vnodeWord(slot) + VNODE_COUNTERS + GAUGE_ENGINE_KEYS);
    return Math.max(inEngine, buffer === undefined ? 0 : Atomics.load(new Int32Array(buffer), LIVE_KEYS));
  });
  return Promise.resolve(keys);
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

/** What threads of virtual nodes are given. */
class Assignments {
  private readonly view: StoreView;
  private readonly options: ResolvedOptions;
  private readonly directory: DataDirectory | undefined;
  private readonly actors: Actors;

  constructor(
    view: StoreView,
    options: ResolvedOptions,
    directory: DataDirectory | undefined,
    actors: Actors,
  ) {
    this.view = view;
    this.options = options;
    this.directory = directory;
    this.actors = actors;
  }

  of(ordinal: number, id: string): Assignment {
    const { view, options, directory, actors } = this;
    const found = directory?.vnodes.get(id);
    return {
      base: {
        ordinal,
        id,
        shared: view.shared,
        buffer: view.buffers[ordinal]!,
        bufferShape: view.bufferShape,
        maxRecordBytes: view.maxRecordBytes,
        cacheBytes: options.cacheBytes,
        flushMs: options.flushMs,
        foregroundP99Ms: options.foregroundP99Ms,
      },
      firstActor: found?.clean?.actor ?? actors.next(),
      disk: found && diskOf(found, directory!.storeId, false),
    };
  }
}

function diskOf(found: VnodeDirectory, storeId: string, emptyBuffer: boolean): VnodeDisk {
  const { directory, nodeId, mayCreate, clean, sameBoot, loss } = found;
  return {
    directory,
    storeId,
    nodeId,
    mayCreate,
    clean,
    sameBoot,
    restarted: false,
    loss: loss && { buckets: loss.buckets, discarded: loss.discarded },
    emptyBuffer,
  };
}

function caretakerOf(directory: DataDirectory, view: StoreView): Caretaker {
  const layout = new SharedLayout(view.shared.shape);
  const control = new Int32Array(view.shared.control);
  const idOf = (ordinal: number): string => view.ring.vnodes[ordinal]!.id;
  return {
    claimLoss: (ordinal) => directory.claimLoss(idOf(ordinal)),
    async lose(ordinal, reason) {
      // Hints that nobody else has may be left in what is put aside.
      const hints = control[layout.vnodeWord(ordinal) + VNODE_COUNTERS + GAUGE_HINTS]!;
      const found = await directory.lose(idOf(ordinal), { reason, kept: hints > 0 });
      return diskOf(found, directory.storeId, true);
    },
    whole: (ordinal) => void directory.markWhole(idOf(ordinal)),
  };
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
  readonly members: HostRing;
  private readonly handles: Handles;
  private readonly backups: Backups;

  constructor(
    options: ResolvedOptions,
    view: StoreView,
    supervisor: FaultySupervisor,
    directory: DataDirectory | undefined,
    buckets: HostBuckets,
    handles: Handles,
    members: HostRing,
    clockMark: ClockMark | undefined,
    backups: (connection: Connection) => Backups,
    startup: StartupReport,
  ) {
    const connection = new Connection(view, 0);
    let closed: Promise<void> | undefined;
    super(connection, buckets, options.resolvers, () => {
      members.close();
      closed ??= close(connection, view, handles, supervisor, directory, clockMark);
      return closed;
    });
    this.startup = startup;
    this.handles = handles;
    this.members = members;
    this.supervisor = supervisor;
    this.faults = new Faults(view, supervisor);
    this.backups = backups(connection);
  }

  /** For fault injection in tests; not part of the public interface. */
  readonly supervisor: FaultySupervisor;

  backup(file: string, options?: BackupOptions): Promise<BackupSummary> {
    return writeBackup(file, this.backupStream(options));
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
  raiseReaderEpoch(control);
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
