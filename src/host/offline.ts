import { existsSync, realpathSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import { dataFileBytes } from '../storage/data-files.js';
import { assess, type Found, look } from './data-assessment.js';
import { healNodes, layOut, type NodePaths } from './data-layout.js';
import { lockDirectory } from './directory-lock.js';
import { readManifest, topologyToOpen } from './manifest.js';
import { putAside } from './put-aside.js';
import { quarantinesOf } from './quarantine.js';
import { writeRebuildMark } from './rebuild-mark.js';
import { verifyEnvironments } from './verify.js';

/**
 * Gives up what virtual nodes have lost that no replica has: they are to be rebuilt from whoever is
 * there, and count as whole then. Damaged directories are put aside, and go when that is done.
 * The store must not be open.
 *
 * @throws RingletError BAD_REQUEST for a virtual node that has lost nothing; as {@link openDataDirectory}
 */
export async function discardLost(path: string, vnodeIds: readonly string[]): Promise<void> {
  await withLocked(path, async (found, nodes) => {
    await assess(found, nodes);
    const vnodes = nodes.flatMap((node) => node.vnodes).filter(({ vnodeId }) => vnodeIds.includes(vnodeId));
    const { lost, losses, lives } = found;
    for (const vnodeId of vnodeIds) {
      if (lost.has(vnodeId) || losses.marks.has(vnodeId)) continue;
      const without = [...lost.keys(), ...losses.marks.keys()].join(', ') || 'none';
      throw new RingletError(
        'BAD_REQUEST',
        `${vnodeId} has lost nothing; virtual nodes without their data: ${without}`,
        { vnode: vnodeId },
      );
    }
    healNodes(found.manifest.storeId, nodes);
    for (const vnode of vnodes) {
      const finding = lost.get(vnode.vnodeId);
      const mark =
        finding === undefined ? losses.marks.get(vnode.vnodeId)! : putAside(vnode, finding, losses, lives);
      writeRebuildMark(vnode.directory, { ...mark, discarded: true });
    }
  });
}

/** What a verification found of one virtual node. */
export interface VnodeReport {
  readonly vnode: string;
  /** Records in LMDB, all of which were read, and keys that the journal has newer. */
  readonly records: number;
  readonly journalled: number;
  /** Of these, writes that wait for other virtual nodes; null if not everything could be read. */
  readonly hints: number | null;
  /** What is damaged or missing. */
  readonly damage: string | null;
  /** It is being rebuilt: the reason. */
  readonly rebuilding: string | null;
  /** Directories that were put aside. */
  readonly quarantines: readonly string[];
}

/**
 * Reads every record of a store that is not open, in a process of its own, and compares it with its
 * checksum, LMDB's count and root, and the journal's numbering. Nothing is repaired.
 *
 * @throws RingletError as openDataDirectory; damage of a virtual node is no error but part of the report
 */
export async function verifyStore(path: string): Promise<readonly VnodeReport[]> {
  return await withLocked(path, async (found, nodes) => {
    const vnodes = nodes.flatMap((node) => node.vnodes);
    const there = vnodes.filter(
      ({ vnodeId, engineDirectory }) => !found.lost.has(vnodeId) && (dataFileBytes(engineDirectory) ?? 0) > 0,
    );
    const verdicts = await verifyEnvironments(there, found.session.sameBoot);
    return vnodes.map((vnode): VnodeReport => {
      const verdict = verdicts[there.indexOf(vnode)];
      const { identity } = verdict ?? {};
      const stranger =
        identity !== undefined &&
        (identity.storeId !== found.manifest.storeId || identity.vnodeId !== vnode.vnodeId)
          ? `it belongs to ${identity.vnodeId} of store ${identity.storeId}`
          : undefined;
      return {
        vnode: vnode.vnodeId,
        records: verdict?.count ?? 0,
        journalled: verdict?.journalled ?? 0,
        hints: verdict === undefined ? 0 : (verdict.hints ?? null),
        damage:
          found.lost.get(vnode.vnodeId)?.reason ?? verdict?.damage ?? verdict?.foreign ?? stranger ?? null,
        rebuilding: found.losses.marks.get(vnode.vnodeId)?.reason ?? null,
        quarantines: quarantinesOf(vnode),
      };
    });
  });
}

/** Looks at the directory of a store that is not open, as it was made. */
async function withLocked<T>(
  path: string,
  use: (found: Found, nodes: readonly NodePaths[]) => Promise<T>,
): Promise<T> {
  const manifest = existsSync(path) ? readManifest(path) : undefined;
  if (manifest === undefined)
    throw new RingletError('DATA_FOREIGN', `${path} is no data directory; name another`, { path });
  const topology = topologyToOpen(manifest);
  const ids = new Map(
    topology.nodes.map(({ id, vnodes }) => [id, Array.from({ length: vnodes }, (_, i) => `${id}.${i}`)]),
  );
  const directory = realpathSync(path);
  const lock = await lockDirectory(directory);
  try {
    const nodes = layOut(directory, ids);
    return await use(look(directory, topology, nodes), nodes);
  } finally {
    await lock.release();
  }
}
