import { RingletError } from '../base/errors.js';
import type { HostStore, OpenOptions } from '../client/api.js';
import type { Connection } from '../client/connection.js';
import { RULE_LWW, RULE_SIBLINGS } from '../messaging/frames.js';
import {
  bucketFacts,
  cacheFacts,
  SharedLayout,
  STORE_OPEN,
  STORE_READER_EPOCH,
  STORE_STATE,
  takesRequests,
  VNODE_STATE,
} from '../messaging/layout.js';
import { raiseReaderEpoch } from '../messaging/reader-epoch.js';
import { RingTable } from '../messaging/ring-table.js';
import { rollBack } from '../ring/change.js';
import { memberCount, ringOfState } from '../ring/live-ring.js';
import { firstState, renumbered, type RingState, slotsOfNodes } from '../ring/state.js';
import { Actors } from './actors.js';
import { Assignments, caretakerOf } from './assignments.js';
import { Backups } from './backup/collect.js';
import { HostBuckets } from './buckets.js';
import { ClockMark } from './clock-mark.js';
import { type DataDirectory, openDataDirectory, storedTopology } from './data-directory.js';
import { FaultySupervisor } from './faulty-supervisor.js';
import { Handles } from './handles.js';
import type { Ready } from './incarnation.js';
import { OpenedStore } from './opened-store.js';
import { checkOptions, DATA, type ResolvedOptions, resolveOptions } from './resolve-options.js';
import { HostRing } from './ring-control.js';
import { keysOf, newBuffer, viewOf } from './shared-view.js';
import type { Internals } from './supervision.js';

/**
 * Opens a store in this process: one thread per virtual node, shared memory between all of them. It keeps
 * the process running until it is closed.
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
  checkOptions(options);
  const onDisk = (options.engine ?? 'lmdb') === 'lmdb';
  const resolved = resolveOptions(options, onDisk ? storedTopology(options.data ?? DATA) : undefined);
  const directory = resolved.engine === 'lmdb' ? await openDirectory(resolved) : undefined;
  /** Verification is part of a recovery. */
  const lookedMs = performance.now() - startedMs;
  try {
    const state = await stateOf(resolved, directory);
    const ring = ringOfState(state);
    const view = viewOf(resolved, ring);
    view.silenceMs = internals.silenceMs;
    internals.prepare?.(view);
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
        save: (next) => directory?.saveRing(next) ?? Promise.resolve(),
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
      await members.resume();
    } catch (error) {
      await supervisor.stop();
      await members.close();
      throw error;
    }
    const clockMark = directory && new ClockMark(directory.path, view.shared.control);
    Atomics.store(control, STORE_STATE, STORE_OPEN);
    raiseReaderEpoch(control);
    const clean =
      directory?.fresh !== false ||
      [...directory.vnodes.values()].every((vnode) => vnode.clean !== undefined);
    const startup = {
      fresh: directory?.fresh ?? true,
      cleanShutdown: clean,
      recoveryMs: clean ? 0 : Math.round(lookedMs + Math.max(...readies.map(({ recoveryMs }) => recoveryMs))),
      recoveredRecords: readies.reduce((sum, { recoveredRecords }) => sum + recoveredRecords, 0),
      totalMs: Math.round(performance.now() - startedMs),
      rebuilding: directory?.rebuilding ?? [],
    };
    const backups = (connection: Connection): Backups =>
      new Backups({
        connection,
        storeId: directory?.storeId ?? null,
        buckets: () => buckets.list(),
        nextActor: () => actors.next(),
        holdRing: () => members.hold(),
      });
    const store = new OpenedStore({
      options: resolved,
      view,
      supervisor,
      directory,
      clockMark,
      buckets,
      handles,
      members,
      backups,
      startup,
    });
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
  return openDataDirectory(options.data, topology, ids, options.nodesAfter);
}

/** Who owns what: as the directory says, or, where the ring has never changed, as the topology does. */
async function stateOf(options: ResolvedOptions, directory: DataDirectory | undefined): Promise<RingState> {
  const { partitions, nodes, spacing } = options;
  const stored = directory?.ring;
  if (directory === undefined || stored === undefined) return firstState({ partitions, nodes, spacing });
  // Nobody was handed anything to: it is as if it had never been asked to join.
  const state = stored.change?.phase === 'starting' ? rollBack(stored) : stored;
  for (const { id, gone } of state.nodes) {
    if (gone === true && !nodes.some((node) => node.id === id)) removeLeft(directory, id);
  }
  const opened = renumbered(state);
  await directory.saveRing(opened);
  return opened;
}

/** What is left of it is in nobody's way: a node that joins begins with an empty directory. */
function removeLeft(directory: DataDirectory, node: string): void {
  try {
    directory.removeNode(node);
  } catch (error) {
    if (!(error instanceof RingletError)) throw error;
  }
}

function keeperOf(directory: DataDirectory): ConstructorParameters<typeof HostBuckets>[0] {
  return {
    load: () => directory.loadBuckets(),
    save: (buckets) => directory.saveBuckets(buckets),
  };
}
