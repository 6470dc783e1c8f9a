import type { StoreView } from '../client/view.js';
import { SharedLayout, VNODE_COUNTERS } from '../messaging/layout.js';
import { GAUGE_HINTS } from '../shard/environment.js';
import type { VnodeDisk } from '../shard/worker-protocol.js';
import type { Actors } from './actors.js';
import type { DataDirectory, VnodeDirectory } from './data-directory.js';
import type { ResolvedOptions } from './resolve-options.js';
import type { Assignment, Caretaker } from './supervision.js';

/** What threads of virtual nodes are given. */
export class Assignments {
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

/** What becomes of the directory of a virtual node that has lost its data. */
export function caretakerOf(directory: DataDirectory, view: StoreView): Caretaker {
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
