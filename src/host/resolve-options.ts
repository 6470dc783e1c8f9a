import { availableParallelism } from 'node:os';
import { quoted, RingletError, shown } from '../base/errors.js';
import { CACHE_SHARES, LIMITS } from '../base/limits.js';
import { checkFlag, checkObject, checkPath, checkResolvers } from '../client/arguments.js';
import type { BucketProperties, OpenOptions, Resolver } from '../client/api.js';
import { checkKnown, known } from '../client/known-options.js';
import { checkProperties } from '../client/policy.js';
import { checkSpec, type NodeSpec } from '../ring/spec.js';
import type { StoredTopology, Topology } from './manifest.js';
import { type BufferShape, bufferShape, maxRecordBytes } from '../storage/buffer-layout.js';

/** `open`'s options, complete and checked. */
export interface ResolvedOptions {
  readonly data: string;
  readonly engine: 'lmdb' | 'memory';
  /** Those to open with: the directory's, if it has any. */
  readonly nodes: readonly NodeSpec[];
  /** Nodes that are to join and to leave then, one after the other. */
  readonly joiners: readonly NodeSpec[];
  readonly leavers: readonly string[];
  /** How many there are when they have, and when a change is over that is under way. */
  readonly nodesAfter: number;
  readonly maxVnodes: number;
  readonly partitions: number;
  readonly spacing: number;
  readonly defaults: BucketProperties;
  readonly buffer: BufferShape;
  /** What all caches may have in each virtual node. */
  readonly cacheBytes: number;
  readonly valueBytes: number;
  readonly maxRecordBytes: number;
  readonly flushMs: number;
  /** Infinite: background work is never held back. */
  readonly foregroundP99Ms: number;
  readonly maxCallers: number;
  readonly directReads: boolean;
  readonly coordination: 'client' | 'server';
  readonly allowFaults: boolean;
  readonly resolvers: Readonly<Record<string, Resolver>>;
}

/** Default of `data`. */
export const DATA = './data';

const OPTIONS = known<OpenOptions>('open() has no option', {
  data: true,
  engine: true,
  nodes: true,
  vnodes: true,
  capacity: true,
  partitions: true,
  maxVnodes: true,
  n: true,
  r: true,
  w: true,
  durability: true,
  conflict: true,
  memoryMiB: true,
  cacheMiB: true,
  valueBytes: true,
  flushMs: true,
  foregroundP99Ms: true,
  maxCallers: true,
  resolvers: true,
  directReads: true,
  coordination: true,
  allowFaults: true,
});

/** What can be said before the data directory is looked at. @throws RingletError BAD_REQUEST */
export function checkOptions(options: OpenOptions): void {
  checkObject('the options of open()', options);
  checkKnown(options, OPTIONS);
  const { data = DATA, resolvers = {} } = options;
  checkPath('data is the path of a directory', data);
  checkFlag('directReads', options.directReads);
  checkFlag('allowFaults', options.allowFaults);
  checkResolvers(resolvers);
}

/**
 * @param stored what the data directory has, if it was made before; what is not asked for stays as it is
 * @throws RingletError BAD_REQUEST
 */
export function resolveOptions(options: OpenOptions, stored?: StoredTopology): ResolvedOptions {
  checkOptions(options);
  const engine = options.engine ?? 'lmdb';
  if (engine !== 'lmdb' && engine !== 'memory') {
    throw new RingletError('BAD_REQUEST', 'engine is lmdb or memory', { engine: shown(engine) });
  }
  const coordination = options.coordination ?? 'client';
  if (coordination !== 'client' && coordination !== 'server') {
    throw new RingletError('BAD_REQUEST', 'coordination is client or server', {
      coordination: shown(coordination),
    });
  }
  const staying = stored?.nodes.filter(({ id }) => id !== stored.leaving);
  const wanted = whole('nodes', options.nodes ?? staying?.length ?? 4, 1, LIMITS.nodes);
  const vnodes = whole('vnodes', options.vnodes ?? 1, 1, LIMITS.virtualNodes);
  const asked = nodeSpecs(wanted, vnodes, options.capacity ?? {}, stored);
  const nodes = stored === undefined ? asked : asStored(stored, options);
  /** So many there are now and after all changes. */
  const count = Math.min(nodes.length, wanted);
  const { joiners, leavers } = changes(staying ?? nodes, asked);
  const threads = nodes.reduce((sum, node) => sum + node.vnodes, 0);
  const coming = joiners.reduce((sum, node) => sum + node.vnodes, 0);
  const room = Math.min(LIMITS.virtualNodes, Math.max(2 * threads, threads + coming));
  const memoryMiB = whole('memoryMiB', options.memoryMiB ?? LIMITS.memoryMiB, LIMITS.minMemoryMiB, 1 << 20);
  const cacheMiB = whole(
    'cacheMiB',
    options.cacheMiB ?? Math.floor(memoryMiB * CACHE_SHARES[engine].standard),
    1,
    Math.floor(memoryMiB * CACHE_SHARES[engine].most),
  );
  const valueBytes = whole('valueBytes', options.valueBytes ?? LIMITS.valueBytes, 1, LIMITS.maxValueBytes);
  const n = whole('n', options.n ?? Math.min(3, count), 1, Math.min(count, LIMITS.replicas));
  const majority = Math.floor(n / 2) + 1;
  const defaults: BucketProperties = {
    n,
    r: options.r ?? majority,
    w: options.w ?? majority,
    durability: options.durability ?? 'buffered',
    conflict: options.conflict ?? 'siblings',
    strict: false,
  };
  checkProperties(defaults, count, engine, Object.keys(options.resolvers ?? {}));
  const partitions = whole(
    'partitions',
    options.partitions ?? stored?.partitions ?? 64,
    1,
    LIMITS.partitions,
  );
  const spacing = stored?.spacing ?? Math.min(3, count);
  checkSpec({ partitions, nodes, spacing });
  return {
    data: options.data ?? DATA,
    engine,
    nodes,
    joiners,
    leavers,
    nodesAfter: wanted,
    maxVnodes: whole('maxVnodes', options.maxVnodes ?? room, threads + coming, LIMITS.virtualNodes),
    partitions,
    spacing,
    defaults,
    buffer: bufferShape(Math.floor((memoryMiB * 1_048_576) / threads), valueBytes),
    cacheBytes: Math.floor((cacheMiB * 1_048_576) / threads),
    valueBytes,
    maxRecordBytes: maxRecordBytes(valueBytes),
    flushMs: whole('flushMs', options.flushMs ?? LIMITS.flushMs, 1, LIMITS.maxFlushMs),
    foregroundP99Ms: target(options.foregroundP99Ms),
    maxCallers: whole('maxCallers', options.maxCallers ?? LIMITS.callers, 1, LIMITS.maxCallers),
    // What the caller reads itself, no virtual node coordinates.
    directReads: coordination === 'client' && (options.directReads ?? true),
    coordination,
    allowFaults: options.allowFaults ?? false,
    resolvers: options.resolvers ?? {},
  };
}

/** The directory's nodes as the options describe them: where they differ, the directory refuses. */
function asStored({ nodes }: Topology, { capacity, vnodes }: OpenOptions): NodeSpec[] {
  return nodes.map((node) => ({
    id: node.id,
    capacity: whole(`capacity of ${node.id}`, capacity?.[node.id] ?? node.capacity, 1, LIMITS.capacity),
    vnodes: vnodes ?? node.vnodes,
  }));
}

/** With as many nodes as asked nothing changes, whatever they are called; the last ones leave first. */
function changes(
  nodes: Topology['nodes'],
  asked: readonly NodeSpec[],
): { joiners: NodeSpec[]; leavers: string[] } {
  const missing = asked.filter(({ id }) => !nodes.some((node) => node.id === id));
  return {
    joiners: missing.slice(0, Math.max(0, asked.length - nodes.length)),
    leavers: nodes
      .slice(Math.min(nodes.length, asked.length))
      .map(({ id }) => id)
      .toReversed(),
  };
}

function nodeSpecs(
  count: number,
  vnodes: number,
  capacity: Readonly<Record<string, number>>,
  stored: Topology | undefined,
): NodeSpec[] {
  const ids = Array.from({ length: count }, (_, i) => `n${i + 1}`);
  const known = [...ids, ...(stored?.nodes.map(({ id }) => id) ?? [])];
  for (const id of Object.keys(capacity)) {
    if (!known.includes(id)) {
      throw new RingletError('BAD_REQUEST', `capacity names node ${id}; the nodes are n1 to n${count}`, {
        node: id,
        nodes: count,
      });
    }
  }
  if (count * vnodes > LIMITS.virtualNodes) {
    throw new RingletError(
      'BAD_REQUEST',
      `${count} nodes with ${vnodes} virtual nodes each are more than ${LIMITS.virtualNodes} threads`,
      {
        virtualNodes: count * vnodes,
        limit: LIMITS.virtualNodes,
        cores: availableParallelism(),
      },
    );
  }
  return ids.map((id) => ({
    id,
    capacity: whole(`capacity of ${id}`, capacity[id] ?? 1, 1, LIMITS.capacity),
    vnodes,
  }));
}

function target(given: OpenOptions['foregroundP99Ms'] = LIMITS.foregroundP99Ms): number {
  if (given === 'off') return Number.POSITIVE_INFINITY;
  return whole('foregroundP99Ms (if not off)', given, 1, LIMITS.maxForegroundP99Ms);
}

function whole(option: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RingletError(
    'BAD_REQUEST',
    `${option} must be a whole number from ${least} to ${most}, not ${quoted(value)}`,
    {
      option,
      got: typeof value === 'number' ? value : shown(value),
      least,
      most,
    },
  );
}
