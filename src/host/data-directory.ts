import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import type { RingState } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import { dataFileBytes, syncDirectory } from '../storage/data-files.js';
import { writeError } from '../storage/disk-errors.js';
import type { ActorBlocks } from './actor-blocks.js';
import { assertReplicas, type BucketList, type StoredBucket } from './bucket-list.js';
import { type CleanMark, removeCleanMark, writeCleanMark } from './clean-mark.js';
import { assess, type Found, look } from './data-assessment.js';
import { healNodes, layOut, makeDirectories, type NodePaths, type VnodePaths } from './data-layout.js';
import { type DirectoryLock, lockDirectory } from './directory-lock.js';
import type { Lives } from './lives.js';
import type { Finding, Losses } from './losses.js';
import {
  type Manifest,
  readManifest,
  replaceManifest,
  type StoredTopology,
  type Topology,
  topologyToOpen,
  withRing,
  writeManifest,
} from './manifest.js';
import { removeNodeDirectory } from './node-removal.js';
import { putAside } from './put-aside.js';
import { removeQuarantines } from './quarantine.js';
import { type RebuildMark, removeRebuildMark } from './rebuild-mark.js';
import type { SessionMark } from './session-mark.js';

export interface VnodeDirectory extends VnodePaths {
  /** Set when it was stopped in good order and nothing was changed since; removed from the disk by now. */
  readonly clean: CleanMark | undefined;
  /** Whether what was written without a sync must still be there: the last unclean stop was no power cut. */
  readonly sameBoot: boolean;
  /** For the engine: an absent environment is a new one, since nothing was ever in this directory. */
  readonly mayCreate: boolean;
  /** It lost its data and is to be rebuilt from its peers. */
  readonly loss: RebuildMark | undefined;
}

/** The data directory of a store, owned by this process. */
export class DataDirectory {
  readonly path: string;
  /** Whether this open made it. */
  readonly fresh: boolean;
  readonly vnodes: Map<string, VnodeDirectory>;
  readonly #losses: Losses;
  readonly #lives: Lives;
  readonly #lock: DirectoryLock;
  readonly #actors: ActorBlocks;
  readonly #buckets: BucketList;
  readonly #session: SessionMark;
  readonly #stillUnclean: Set<string>;
  #manifest: Manifest;
  #settling: Promise<void> = Promise.resolve();

  constructor(path: string, found: Found, vnodes: Map<string, VnodeDirectory>, lock: DirectoryLock) {
    this.path = path;
    this.fresh = found.fresh;
    this.vnodes = vnodes;
    this.#lock = lock;
    this.#actors = found.actors;
    this.#buckets = found.buckets;
    this.#session = found.session;
    this.#manifest = found.manifest;
    this.#losses = found.losses;
    this.#lives = found.lives;
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

  /** Resolves when it is durable; one at a time. @throws RingletError IO, STORE_FULL */
  async saveRing(ring: RingState): Promise<void> {
    const manifest = withRing(this.#manifest, ring);
    await replaceManifest(this.path, manifest);
    this.#manifest = manifest;
    this.#losses.ring = ringOfState(ring);
  }

  /** Makes the directories of a node that joins, empty. @throws RingletError IO, STORE_FULL */
  addNode(nodeId: string, vnodeIds: readonly string[]): readonly VnodeDirectory[] {
    const [node] = layOut(this.path, new Map([[nodeId, vnodeIds]]));
    try {
      // Of one that has left and could not be removed: its records would bring back what was deleted since.
      removeNodeDirectory(node!.directory);
      makeDirectories(this.path, this.storeId, [node!]);
    } catch (error) {
      throw error instanceof RingletError ? error : writeError(error, node!.directory);
    }
    this.#lives.renew(node!.vnodes);
    this.#buckets.addCopy(node!.directory);
    return node!.vnodes.map((vnode) => {
      const directory = { ...vnode, clean: undefined, sameBoot: true, mayCreate: true, loss: undefined };
      this.vnodes.set(vnode.vnodeId, directory);
      this.#stillUnclean.add(vnode.vnodeId);
      return directory;
    });
  }

  /**
   * Removes a node that has left, or was not to join after all, with all its data.
   * @throws RingletError IO: something of its directory is left, which is nobody's any more
   */
  removeNode(nodeId: string): void {
    for (const [vnodeId, vnode] of this.vnodes) {
      if (vnode.nodeId !== nodeId) continue;
      this.vnodes.delete(vnodeId);
      this.#stillUnclean.delete(vnodeId);
      this.#losses.left(vnodeId);
      this.#lives.forget(vnodeId);
    }
    const [node] = layOut(this.path, new Map([[nodeId, []]]));
    this.#buckets.dropCopy(node!.directory);
    removeNodeDirectory(node!.directory);
  }

  /** Virtual nodes that are without their data, and what was found. */
  get rebuilding(): { readonly vnode: string; readonly reason: string }[] {
    return Array.from(this.#losses.marks, ([vnode, { reason }]) => ({ vnode, reason }));
  }

  /** The first of 256 actor numbers that nobody has had, durably taken. @throws RingletError IO, STORE_FULL */
  reserveActors(): number {
    return this.#actors.reserve();
  }

  /** Actor numbers from here on are this store's own. For a new one that gets records of another. @throws RingletError IO, STORE_FULL */
  beginActorsAt(first: number): void {
    this.#actors.beginAt(first);
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

  /** Whether the peers of a virtual node can rebuild it; then it counts as lost. */
  claimLoss(vnodeId: string): boolean {
    return this.#losses.claim(vnodeId);
  }

  /**
   * A virtual node whose thread is gone has lost its data while the store serves: what is left of it
   * is put aside, and an empty directory that is to be rebuilt takes its place.
   * @throws RingletError DATA_CORRUPT if its peers cannot rebuild it, and nothing was changed; IO, STORE_FULL
   */
  async lose(vnodeId: string, finding: Finding): Promise<VnodeDirectory> {
    // The removal of an earlier mark must not meet the new one.
    await this.#settling;
    const vnode = this.#vnode(vnodeId);
    this.#losses.assertSurvived(new Map([[vnodeId, finding]]));
    const loss = putAside(vnode, finding, this.#losses, this.#lives);
    return { ...vnode, clean: undefined, mayCreate: true, loss };
  }

  /** Its peers have proven that they hold its ranges, and all of it is synced in its own directory too. */
  markWhole(vnodeId: string): Promise<void> {
    this.#settling = this.#settling.then(() => this.#becomeWhole(vnodeId));
    return this.#settling;
  }

  /** Never rejects: a mark that stays costs another rebuild, and nothing else. */
  async #becomeWhole(vnodeId: string): Promise<void> {
    const vnode = this.vnodes.get(vnodeId);
    const mark = this.#losses.marks.get(vnodeId);
    // Its node may have left while another one's quarantine went.
    if (vnode === undefined || mark === undefined) return;
    try {
      await removeQuarantines(vnode, mark.discarded);
      await removeRebuildMark(vnode.directory);
    } catch {
      return;
    }
    this.#losses.marks.delete(vnodeId);
  }

  #vnode(vnodeId: string): VnodeDirectory {
    const vnode = this.vnodes.get(vnodeId);
    assert(vnode !== undefined, 'it is a virtual node of this store');
    return vnode;
  }

  /** Call after the virtual node's engine was closed in good order. @throws RingletError IO, STORE_FULL */
  writeClean(vnodeId: string, mark: CleanMark): void {
    const vnode = this.#vnode(vnodeId);
    // Deleted since it was last looked at: the next start will notice.
    if (dataFileBytes(vnode.engineDirectory) === undefined) return;
    writeCleanMark(vnode.directory, vnode.engineDirectory, mark);
    this.#stillUnclean.delete(vnodeId);
  }

  /** Gives the directory up; the last thing to do. */
  async release(): Promise<void> {
    try {
      if (this.#stillUnclean.size === 0) this.#session.end();
    } finally {
      await this.#settling;
      await this.#lock.release();
    }
  }
}

/**
 * Opens the data directory of a store, and makes it where there is none or an empty one.
 *
 * All checks come first, also the verification of the environments of virtual nodes that were not
 * stopped in good order: what is refused is left as it was. Then what is damaged is put aside, to be
 * rebuilt from its peers, and the clean marks are removed.
 *
 * @param vnodeIds of every node, in order
 * @param nodesAfter how many nodes there are when those have joined and left that are to
 * @throws RingletError DATA_LOCKED, DATA_FOREIGN, DATA_CORRUPT, TOPOLOGY_CHANGED, BAD_REQUEST,
 *   STORE_FULL or IO; each message names the remedy
 */
export async function openDataDirectory(
  path: string,
  wanted: Topology,
  vnodeIds: ReadonlyMap<string, readonly string[]>,
  nodesAfter: number = wanted.nodes.length,
): Promise<DataDirectory> {
  layOut(path, vnodeIds);
  const directory = makeDataDirectory(path);
  const lock = await lockDirectory(directory);
  try {
    const nodes = layOut(directory, vnodeIds);
    const found = look(directory, wanted, nodes);
    assertReplicas(found.buckets.load(), nodesAfter);
    const verdicts = await assess(found, nodes);
    found.losses.assertSurvived(found.lost);
    const vnodes = settle(directory, found, nodes, verdicts);
    return new DataDirectory(directory, found, vnodes, lock);
  } catch (error) {
    await lock.release();
    throw error instanceof RingletError ? error : writeError(error, directory);
  }
}

/** What a directory that was made before has; read without its lock, so that it may be refused all the same. */
export function storedTopology(path: string): StoredTopology | undefined {
  const manifest = readManifest(path);
  return manifest && topologyToOpen(manifest);
}

/** Two processes may do this at the same time; the lock then decides. */
function makeDataDirectory(path: string): string {
  try {
    const made = makeWithParents(resolve(path));
    if (made !== undefined) syncDirectory(dirname(made));
    return realpathSync(path);
  } catch (error) {
    throw writeError(error, path);
  }
}

/**
 * The first directory that had to be made. Node's own recursive mkdir never ends where making a directory in
 * one that is there meets ENOENT, as in /proc.
 */
function makeWithParents(path: string): string | undefined {
  if (existsSync(path)) return undefined;
  const first = makeWithParents(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return first ?? path;
}

/** Everything has passed: the first writes of an open. */
function settle(
  directory: string,
  found: Found,
  nodes: readonly NodePaths[],
  marks: ReadonlyMap<string, CleanMark | undefined>,
): Map<string, VnodeDirectory> {
  const { sameBoot } = found.session;
  const { initialised, storeId } = found.manifest;
  // The manifest first: what a crash leaves behind it is recognised as ours.
  if (found.fresh) writeManifest(directory, found.manifest);
  if (!initialised) makeDirectories(directory, storeId, nodes);
  if (!initialised) found.actors.store();
  found.session.begin();
  if (initialised) healNodes(storeId, nodes);
  const all = nodes.flatMap((node) => node.vnodes);
  found.lives.renew(all.filter(({ vnodeId }) => !found.lost.has(vnodeId)));
  const vnodes = new Map<string, VnodeDirectory>();
  for (const vnode of all) {
    const { vnodeId } = vnode;
    const finding = found.lost.get(vnodeId);
    const loss =
      finding === undefined
        ? found.losses.marks.get(vnodeId)
        : putAside(vnode, finding, found.losses, found.lives);
    if (finding === undefined) removeCleanMark(vnode.directory);
    vnodes.set(vnodeId, {
      ...vnode,
      clean: marks.get(vnodeId),
      sameBoot,
      mayCreate: !initialised || (loss !== undefined && (dataFileBytes(vnode.engineDirectory) ?? 0) === 0),
      loss,
    });
  }
  found.buckets.heal();
  return vnodes;
}
