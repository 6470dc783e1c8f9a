import { join } from 'node:path';
import { RingletError } from '../base/errors.js';
import type { RingState } from '../ring/state.js';
import { readSealed, replaceSealed, type SealedFile, writeSealed } from './durable-file.js';

/** The shape that a store has for its whole life; changing it moves data. */
export interface Topology {
  readonly nodes: readonly {
    readonly id: string;
    readonly capacity: number;
    readonly vnodes: number;
  }[];
  readonly partitions: number;
  readonly spacing: number;
}

/** What a directory opens with. */
export interface StoredTopology extends Topology {
  /** One of the nodes, which is on its way out: it is no longer counted. */
  readonly leaving?: string;
}

/** `<data>/ringlet.json`: that a directory is one of ours, and which. */
export interface Manifest {
  readonly format: number;
  readonly storeId: string;
  readonly createdAt: string;
  /** Whether the store has served: before, what is missing was never there; after, it is a loss. */
  readonly initialised: boolean;
  /** Of the members, a joiner and a leaver included. */
  readonly topology: Topology;
  /** Once the ring has changed: who owns what does not follow from the topology any more. */
  readonly ring?: RingState;
}

/** `<data>/nodes/<id>/node.json`: whose directory this is, should it be moved or copied. */
export interface NodeManifest {
  readonly format: number;
  readonly storeId: string;
  readonly nodeId: string;
}

export const DATA_FORMAT = 1;
/** Of a manifest with a state of the ring: who does not know it would take the wrong owners. */
export const RING_FORMAT = 2;
export const MANIFEST_FILE = 'ringlet.json';
export const NODE_FILE = 'node.json';

/** The manifest of a directory; undefined when it has none. @throws RingletError DATA_CORRUPT, DATA_FOREIGN */
export function readManifest(directory: string): Manifest | undefined {
  const path = join(directory, MANIFEST_FILE);
  const file = readSealed<Manifest>(path, DATA_FORMAT);
  const isNewer = file.kind === 'unknown-format' && file.format === RING_FORMAT;
  return known(path, isNewer ? readSealed<Manifest>(path, RING_FORMAT) : file);
}

export function writeManifest(directory: string, manifest: Manifest): void {
  writeSealed(join(directory, MANIFEST_FILE), manifest);
}

/** As {@link writeManifest}, while the thread goes on. */
export function replaceManifest(directory: string, manifest: Manifest): Promise<void> {
  return replaceSealed(join(directory, MANIFEST_FILE), manifest);
}

/** As {@link readManifest}, for a node's directory. */
export function readNodeManifest(directory: string): NodeManifest | undefined {
  const path = join(directory, NODE_FILE);
  return known(path, readSealed<NodeManifest>(path, DATA_FORMAT));
}

export function writeNodeManifest(directory: string, storeId: string, nodeId: string): void {
  const manifest: NodeManifest = { format: DATA_FORMAT, storeId, nodeId };
  writeSealed(join(directory, NODE_FILE), manifest);
}

function known<T>(path: string, file: SealedFile<T>): T | undefined {
  switch (file.kind) {
    case 'ok':
      return file.value;
    case 'missing':
      return undefined;
    case 'damaged':
      throw new RingletError('DATA_CORRUPT', `${path} is damaged; restore it from a backup`, { path });
    case 'unknown-format':
      throw new RingletError(
        'DATA_FOREIGN',
        `${path} has format ${file.format}, this version reads ${DATA_FORMAT}; use the version that wrote it`,
        { path, format: file.format, supported: DATA_FORMAT },
      );
  }
}

/** A node whose threads never served does not belong to it yet. */
export function topologyToOpen({ topology, ring }: Manifest): StoredTopology {
  const { change } = ring ?? {};
  if (change?.kind === 'leave') return { ...topology, leaving: change.node };
  if (change?.phase !== 'starting') return topology;
  return { ...topology, nodes: topology.nodes.filter(({ id }) => id !== change.node) };
}

/** A manifest with another state of the ring. */
export function withRing(manifest: Manifest, ring: RingState): Manifest {
  const nodes = ring.nodes
    .filter(({ gone }) => gone !== true)
    .map(({ id, capacity, vnodes }) => ({ id, capacity, vnodes }));
  return {
    ...manifest,
    format: RING_FORMAT,
    topology: { nodes, partitions: ring.partitions, spacing: ring.spacing },
    ring,
  };
}

/** @throws RingletError TOPOLOGY_CHANGED, naming both, when a store was made with another topology */
export function assertTopology(directory: string, made: Topology, wanted: Topology): void {
  const was = describeTopology(made);
  const asked = describeTopology(wanted);
  if (was === asked) return;
  throw new RingletError(
    'TOPOLOGY_CHANGED',
    `${directory} was made with ${was}, and is opened with ${asked}; ` +
      'open it as it was made, or use another data directory',
    { path: directory, made: was, wanted: asked },
  );
}

/** One line that differs whenever the topology does, such as "2 nodes (n1: capacity 1, 1 vnode; …), 64 partitions". */
export function describeTopology(topology: Topology): string {
  const nodes = topology.nodes
    .map(({ id, capacity, vnodes }) => `${id}: capacity ${capacity}, ${vnodes} vnodes`)
    .join('; ');
  return `${topology.nodes.length} nodes (${nodes}), ${topology.partitions} partitions, spacing ${topology.spacing}`;
}
