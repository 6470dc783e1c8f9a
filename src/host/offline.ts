import { existsSync, realpathSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import { assess, type Found, look } from './data-assessment.js';
import { healNodes, layOut, type NodePaths } from './data-layout.js';
import { lockDirectory } from './directory-lock.js';
import { readManifest, topologyToOpen } from './manifest.js';
import { putAside } from './put-aside.js';
import { writeRebuildMark } from './rebuild-mark.js';

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
    const { lost, losses } = found;
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
        finding === undefined ? losses.marks.get(vnode.vnodeId)! : putAside(vnode, finding, losses);
      writeRebuildMark(vnode.directory, { ...mark, discarded: true });
    }
  });
}

/** Looks at the directory of a store that is not open, as it was made. */
async function withLocked<T>(
  path: string,
  use: (found: Found, nodes: readonly NodePaths[]) => Promise<T>,
): Promise<T> {
  const manifest = existsSync(path) ? readManifest(path) : undefined;
  if (manifest === undefined)
    throw new RingletError('DATA_FOREIGN', `${path} is no data directory`, { path });
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
