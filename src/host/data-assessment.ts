import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import { rollBack } from '../ring/change.js';
import { firstState } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import type { EngineIdentity } from '../storage/engine.js';
import { dataFileBytes } from '../storage/data-files.js';
import { ActorBlocks } from './actor-blocks.js';
import { BucketList } from './bucket-list.js';
import type { CleanMark } from './clean-mark.js';
import { missingParts, type NodePaths, trustedCleanMark, type VnodePaths } from './data-layout.js';
import { LOCK_FILE } from './directory-lock.js';
import { TEMPORARY_SUFFIX } from './durable-file.js';
import { Lives } from './lives.js';
import { type Finding, Losses } from './losses.js';
import {
  assertTopology,
  DATA_FORMAT,
  type Manifest,
  MANIFEST_FILE,
  readManifest,
  type Topology,
  topologyToOpen,
} from './manifest.js';
import { readRebuildMark, type RebuildMark } from './rebuild-mark.js';
import { SessionMark } from './session-mark.js';
import { verifyEnvironments } from './verify.js';

/** What was read, before anything is written. */
export interface Found {
  readonly fresh: boolean;
  readonly manifest: Manifest;
  readonly actors: ActorBlocks;
  readonly buckets: BucketList;
  readonly session: SessionMark;
  readonly losses: Losses;
  readonly lives: Lives;
  /** What must be put aside before anything is opened. */
  readonly lost: Map<string, Finding>;
}

/** Reads everything but the data itself. Changes nothing. @throws RingletError */
export function look(directory: string, wanted: Topology, nodes: readonly NodePaths[]): Found {
  const stored = readManifest(directory);
  if (stored === undefined) assertEmpty(directory);
  else assertTopology(directory, topologyToOpen(stored), wanted);
  const manifest = stored ?? newManifest(wanted);
  const gone = missingParts(manifest, nodes);
  const mayCreate = !manifest.initialised;
  const copies = [directory, ...nodes.map((node) => node.directory)];
  const actors = ActorBlocks.open(directory, manifest.storeId, mayCreate);
  const buckets = BucketList.open(copies, manifest.storeId, mayCreate);
  const marks = new Map<string, RebuildMark>();
  const lost = new Map<string, Finding>();
  for (const [vnode, { reason, remains }] of gone) lost.set(vnode, { reason, kept: remains });
  const lives = new Lives(directory);
  for (const vnode of nodes.flatMap((node) => node.vnodes)) {
    const mark = readRebuildMark(vnode.directory);
    if (mark !== undefined) marks.set(vnode.vnodeId, mark);
    if (mayCreate || lost.has(vnode.vnodeId)) continue;
    const reason = lives.mismatch(vnode);
    if (reason !== undefined) lost.set(vnode.vnodeId, { reason, kept: true });
  }
  return {
    fresh: stored === undefined,
    manifest,
    actors,
    buckets,
    session: new SessionMark(directory),
    losses: new Losses(ringOf(manifest, wanted), () => buckets.load(), marks),
    lives,
    lost,
  };
}

/** Who owns what, as it was written down last. */
function ringOf({ ring }: Manifest, { nodes, partitions, spacing }: Topology): Ring {
  const state = ring ?? firstState({ nodes: [...nodes], partitions, spacing });
  return ringOfState(state.change?.phase === 'starting' ? rollBack(state) : state);
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

/** Which virtual nodes stopped well; the environments of the others are verified, and what is damaged is lost. */
export async function assess(
  found: Found,
  nodes: readonly NodePaths[],
): Promise<ReadonlyMap<string, CleanMark | undefined>> {
  const marks = new Map<string, CleanMark | undefined>();
  const doubtful: VnodePaths[] = [];
  for (const vnode of nodes.flatMap((node) => node.vnodes)) {
    if (found.lost.has(vnode.vnodeId)) continue;
    const clean = found.lives.vouches ? trustedCleanMark(vnode) : undefined;
    marks.set(vnode.vnodeId, clean);
    const bytes = dataFileBytes(vnode.engineDirectory) ?? 0;
    if (clean === undefined && bytes > 0) doubtful.push(vnode);
  }
  if (doubtful.length === 0) return marks;
  const verdicts = await verifyEnvironments(doubtful, found.session.sameBoot);
  verdicts.forEach(({ damage, foreign, hints, identity }, i) => {
    const vnode = doubtful[i]!;
    if (foreign !== undefined) throw new RingletError('DATA_FOREIGN', foreign, { path: vnode.directory });
    if (identity !== undefined) assertIdentity(vnode, found.manifest.storeId, identity);
    if (damage === undefined) return;
    found.lost.set(vnode.vnodeId, { reason: `${vnode.directory}: ${damage}`, kept: hints !== 0 });
  });
  return marks;
}

function assertIdentity(vnode: VnodePaths, storeId: string, stored: EngineIdentity): void {
  const own = { storeId, nodeId: vnode.nodeId, vnodeId: vnode.vnodeId };
  for (const field of ['storeId', 'nodeId', 'vnodeId'] as const) {
    if (own[field] === stored[field]) continue;
    throw new RingletError(
      'DATA_FOREIGN',
      `${vnode.engineDirectory} belongs to ${field} ${stored[field]}, not ${own[field]}; put the right directory in its place`,
      { path: vnode.engineDirectory, field, stored: stored[field], wanted: own[field] },
    );
  }
}
