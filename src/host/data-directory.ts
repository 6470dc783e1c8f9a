import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import { dataFileBytes, syncDirectory, writeError } from '../storage/lmdb-environment.js';
import { ActorBlocks } from './actor-blocks.js';
import { BucketList, type StoredBucket } from './bucket-list.js';
import { type CleanMark, removeCleanMark, writeCleanMark } from './clean-mark.js';
import {
  assertComplete,
  layOut,
  makeDirectories,
  removeNodeDirectory,
  type NodePaths,
  trustedCleanMark,
  type VnodePaths,
} from './data-layout.js';
import { type DirectoryLock, LOCK_FILE, lockDirectory } from './directory-lock.js';
import { TEMPORARY_SUFFIX } from './durable-file.js';
import {
  assertTopology,
  DATA_FORMAT,
  type Manifest,
  MANIFEST_FILE,
  readManifest,
  type Topology,
  topologyToOpen,
  withRing,
  writeManifest,
} from './manifest.js';
import type { RingState } from '../ring/change.js';
import { SessionMark } from './session-mark.js';
import { verifyEnvironments } from './verify.js';

export interface VnodeDirectory extends VnodePaths {
  /** Set when it was stopped in good order and nothing was changed since; removed from the disk by now. */
  readonly clean: CleanMark | undefined;
  /** Whether what was written without a sync must still be there: the last unclean stop was no power cut. */
  readonly sameBoot: boolean;
  /** For the engine: the store has never served, an absent environment is a new one. */
  readonly mayCreate: boolean;
}

/** The data directory of a store, owned by this process. */
export class DataDirectory {
  readonly path: string;
  /** Whether this open made it. */
  readonly fresh: boolean;
  readonly vnodes: Map<string, VnodeDirectory>;
  readonly #lock: DirectoryLock;
  readonly #actors: ActorBlocks;
  readonly #buckets: BucketList;
  readonly #session: SessionMark;
  readonly #stillUnclean: Set<string>;
  #manifest: Manifest;

  constructor(path: string, found: Found, vnodes: Map<string, VnodeDirectory>, lock: DirectoryLock) {
    this.path = path;
    this.fresh = found.fresh;
    this.vnodes = vnodes;
    this.#lock = lock;
    this.#actors = found.actors;
    this.#buckets = found.buckets;
    this.#session = found.session;
    this.#manifest = found.manifest;
    this.#stillUnclean = new Set(vnodes.keys());
  }

  /** A random UUID, made with the directory. */
  get storeId(): string {
    return this.#manifest.storeId;
  }

  /** The state of the ring, if it ever changed. */
  get ring(): RingState | undefined {
    return this.#manifest.ring;
  }

  /** Durably. @throws RingletError IO, STORE_FULL */
  saveRing(ring: RingState): void {
    const manifest = withRing(this.#manifest, ring);
    writeManifest(this.path, manifest);
    this.#manifest = manifest;
  }

  /** Makes the directories of a node that joins, empty. @throws RingletError IO, STORE_FULL */
  addNode(nodeId: string, vnodeIds: readonly string[]): readonly VnodeDirectory[] {
    const [node] = layOut(this.path, new Map([[nodeId, vnodeIds]]));
    makeDirectories(this.path, this.storeId, [node!]);
    this.#buckets.addCopy(node!.directory);
    return node!.vnodes.map((vnode) => {
      const directory = { ...vnode, clean: undefined, sameBoot: true, mayCreate: true };
      this.vnodes.set(vnode.vnodeId, directory);
      this.#stillUnclean.add(vnode.vnodeId);
      return directory;
    });
  }

  /** Removes a node that has left, or was not to join after all, with all its data. */
  removeNode(nodeId: string): void {
    for (const [vnodeId, vnode] of this.vnodes) {
      if (vnode.nodeId !== nodeId) continue;
      this.vnodes.delete(vnodeId);
      this.#stillUnclean.delete(vnodeId);
    }
    const [node] = layOut(this.path, new Map([[nodeId, []]]));
    this.#buckets.dropCopy(node!.directory);
    removeNodeDirectory(node!.directory);
  }

  /** The first of 256 actor numbers that nobody has had, durably taken. @throws RingletError IO, STORE_FULL */
  reserveActors(): number {
    return this.#actors.reserve();
  }

  loadBuckets(): readonly StoredBucket[] {
    return this.#buckets.load();
  }

  /** Writes the whole list to all its copies. @throws RingletError IO, STORE_FULL */
  saveBuckets(buckets: readonly StoredBucket[]): void {
    this.#buckets.save(buckets);
  }

  /**
   * Call once all engines are open and recovered, before the first request: from here on whatever
   * is missing at an open is a loss, and only this boot counts.
   */
  markServing(): void {
    if (!this.#manifest.initialised) {
      const manifest = { ...this.#manifest, initialised: true };
      writeManifest(this.path, manifest);
      this.#manifest = manifest;
    }
    this.#session.recovered();
  }

  /** Call after the virtual node's engine was closed in good order. @throws RingletError IO, STORE_FULL */
  writeClean(vnodeId: string, mark: CleanMark): void {
    const vnode = this.vnodes.get(vnodeId);
    assert(vnode !== undefined, 'a clean mark is of a virtual node of this store');
    writeCleanMark(vnode.directory, vnode.engineDirectory, mark);
    this.#stillUnclean.delete(vnodeId);
  }

  /** Gives the directory up; the last thing to do. */
  async release(): Promise<void> {
    try {
      if (this.#stillUnclean.size === 0) this.#session.end();
    } finally {
      await this.#lock.release();
    }
  }
}

/** What was read, before anything is written. */
interface Found {
  readonly fresh: boolean;
  readonly manifest: Manifest;
  readonly actors: ActorBlocks;
  readonly buckets: BucketList;
  readonly session: SessionMark;
}

/**
 * Opens the data directory of a store, and makes it where there is none or an empty one.
 *
 * All checks come first, also the verification of the environments of virtual nodes that were not
 * stopped in good order: what is refused is left as it was. Then the clean marks are removed.
 *
 * @param vnodeIds of every node, in order
 * @throws RingletError DATA_LOCKED, DATA_FOREIGN, DATA_CORRUPT, TOPOLOGY_CHANGED, BAD_REQUEST,
 *   STORE_FULL or IO; each message names the remedy
 */
export async function openDataDirectory(
  path: string,
  wanted: Topology,
  vnodeIds: ReadonlyMap<string, readonly string[]>,
): Promise<DataDirectory> {
  layOut(path, vnodeIds);
  const directory = makeDataDirectory(path);
  const lock = await lockDirectory(directory);
  try {
    const nodes = layOut(directory, vnodeIds);
    const found = look(directory, wanted, nodes);
    const vnodes = await assess(found, nodes);
    settle(directory, found, nodes);
    return new DataDirectory(directory, found, vnodes, lock);
  } catch (error) {
    await lock.release();
    throw error instanceof RingletError ? error : writeError(error, directory);
  }
}

/** What a directory that was made before has; read without its lock, so that it may be refused all the same. */
export function storedTopology(path: string): Topology | undefined {
  const manifest = readManifest(path);
  return manifest && topologyToOpen(manifest);
}

/** Two processes may do this at the same time; the lock then decides. */
function makeDataDirectory(path: string): string {
  try {
    const made = mkdirSync(path, { recursive: true, mode: 0o700 });
    if (made !== undefined) syncDirectory(dirname(made));
    return realpathSync(path);
  } catch (error) {
    throw writeError(error, path);
  }
}

function look(directory: string, wanted: Topology, nodes: readonly NodePaths[]): Found {
  const stored = readManifest(directory);
  if (stored === undefined) assertEmpty(directory);
  else assertTopology(directory, topologyToOpen(stored), wanted);
  const manifest = stored ?? newManifest(wanted);
  assertComplete(manifest, nodes);
  const mayCreate = !manifest.initialised;
  const copies = [directory, ...nodes.map((node) => node.directory)];
  return {
    fresh: stored === undefined,
    manifest,
    actors: ActorBlocks.open(directory, manifest.storeId, mayCreate),
    buckets: BucketList.open(copies, manifest.storeId, mayCreate),
    session: new SessionMark(directory),
  };
}

function newManifest(topology: Topology): Manifest {
  return {
    format: DATA_FORMAT,
    storeId: randomUUID(),
    createdAt: new Date().toISOString(),
    initialised: false,
    topology,
  };
}

/** What may be in a directory that is about to become ours: what a killed process of ours leaves, and what mkfs makes. */
const HARMLESS = new Set([MANIFEST_FILE + TEMPORARY_SUFFIX, LOCK_FILE, 'lost+found']);

function assertEmpty(directory: string): void {
  const names = readdirSync(directory).filter((name) => !HARMLESS.has(name));
  if (names.length === 0) return;
  throw new RingletError(
    'DATA_FOREIGN',
    `${directory} is not empty (${names.length} entries, such as "${names[0]}") and has no ${MANIFEST_FILE}; ` +
      'name an empty directory, or restore the manifest from a backup',
    { path: directory, entries: names.length, example: names[0] ?? '' },
  );
}

/** Decides which virtual nodes stopped well, and has the environments of the others verified. */
async function assess(found: Found, nodes: readonly NodePaths[]): Promise<Map<string, VnodeDirectory>> {
  const { sameBoot } = found.session;
  const mayCreate = !found.manifest.initialised;
  const vnodes = new Map<string, VnodeDirectory>();
  const doubtful: string[] = [];
  for (const vnode of nodes.flatMap((node) => node.vnodes)) {
    const clean = trustedCleanMark(vnode);
    vnodes.set(vnode.vnodeId, { ...vnode, clean, sameBoot, mayCreate });
    const bytes = dataFileBytes(vnode.engineDirectory) ?? 0;
    if (clean === undefined && bytes > 0) doubtful.push(vnode.engineDirectory);
  }
  if (doubtful.length > 0) await assertWhole(doubtful);
  return vnodes;
}

async function assertWhole(engineDirectories: readonly string[]): Promise<void> {
  const verdicts = await verifyEnvironments(engineDirectories);
  const damaged = verdicts.filter(({ damage }) => damage !== undefined);
  const first = damaged[0];
  if (first === undefined) return;
  throw new RingletError(
    'DATA_CORRUPT',
    `${first.directory} is damaged: ${first.damage}` +
      (damaged.length > 1 ? ` (and ${damaged.length - 1} more)` : '') +
      '; restore the data directory from a backup',
    { path: first.directory, reason: first.damage ?? '', damaged: damaged.length, verified: verdicts.length },
  );
}

/** Everything has passed: the first writes of an open. */
function settle(directory: string, found: Found, nodes: readonly NodePaths[]): void {
  // The manifest first: what a crash leaves behind it is recognised as ours.
  if (found.fresh) writeManifest(directory, found.manifest);
  if (!found.manifest.initialised) makeDirectories(directory, found.manifest.storeId, nodes);
  if (!found.manifest.initialised) found.actors.store();
  found.session.begin();
  found.buckets.heal();
  for (const vnode of nodes.flatMap((node) => node.vnodes)) removeCleanMark(vnode.directory);
}
