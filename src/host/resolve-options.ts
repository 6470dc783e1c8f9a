import { availableParallelism } from 'node:os';
import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { BucketProperties, OpenOptions, Resolver } from '../client/api.js';
import { checkProperties } from '../client/policy.js';
import type { NodeSpec } from '../ring/spec.js';
import { type BufferShape, bufferShape, maxRecordBytes } from '../storage/buffer-layout.js';

/** `open`'s options, complete and checked. */
export interface ResolvedOptions {
  readonly data: string;
  readonly engine: 'lmdb' | 'memory';
  readonly nodes: readonly NodeSpec[];
  readonly partitions: number;
  readonly spacing: number;
  readonly defaults: BucketProperties;
  readonly buffer: BufferShape;
  readonly valueBytes: number;
  readonly maxRecordBytes: number;
  readonly flushMs: number;
  readonly maxCallers: number;
  readonly directReads: boolean;
  readonly allowFaults: boolean;
  readonly resolvers: Readonly<Record<string, Resolver>>;
}

const KNOWN = new Set<string>([
  'data',
  'engine',
  'nodes',
  'vnodes',
  'capacity',
  'partitions',
  'n',
  'r',
  'w',
  'durability',
  'conflict',
  'memoryMiB',
  'valueBytes',
  'flushMs',
  'maxCallers',
  'resolvers',
  'directReads',
  'allowFaults',
]);

/** @throws RingletError BAD_REQUEST */
export function resolveOptions(options: OpenOptions): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw new RingletError('BAD_REQUEST', `open() has no option ${name}`, { option: name });
  }
  const engine = options.engine ?? 'lmdb';
  if (engine !== 'lmdb' && engine !== 'memory') {
    throw new RingletError('BAD_REQUEST', 'engine is lmdb or memory', { engine: String(engine) });
  }
  const count = whole('nodes', options.nodes ?? 4, 1, LIMITS.nodes);
  const vnodes = whole('vnodes', options.vnodes ?? 1, 1, LIMITS.virtualNodes);
  const nodes = nodeSpecs(count, vnodes, options.capacity ?? {});
  const memoryMiB = whole('memoryMiB', options.memoryMiB ?? LIMITS.memoryMiB, LIMITS.minMemoryMiB, 1 << 20);
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
  return {
    data: options.data ?? './data',
    engine,
    nodes,
    partitions: whole('partitions', options.partitions ?? 64, 1, LIMITS.partitions),
    spacing: Math.min(3, count),
    defaults,
    buffer: bufferShape(Math.floor((memoryMiB * 1_048_576) / (count * vnodes)), valueBytes),
    valueBytes,
    maxRecordBytes: maxRecordBytes(valueBytes),
    flushMs: whole('flushMs', options.flushMs ?? LIMITS.flushMs, 1, LIMITS.maxFlushMs),
    maxCallers: whole('maxCallers', options.maxCallers ?? LIMITS.callers, 1, LIMITS.maxCallers),
    directReads: options.directReads ?? true,
    allowFaults: options.allowFaults ?? false,
    resolvers: options.resolvers ?? {},
  };
}

function nodeSpecs(count: number, vnodes: number, capacity: Readonly<Record<string, number>>): NodeSpec[] {
  const ids = Array.from({ length: count }, (_, i) => `n${i + 1}`);
  for (const id of Object.keys(capacity)) {
    if (!ids.includes(id)) {
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

function whole(option: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RingletError(
    'BAD_REQUEST',
    `${option} must be a whole number from ${least} to ${most}, not ${String(value)}`,
    {
      option,
      got: typeof value === 'number' ? value : String(value),
      least,
      most,
    },
  );
}
