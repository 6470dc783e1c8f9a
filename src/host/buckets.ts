import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { BucketProperties } from '../client/api.js';
import { BucketCells } from '../client/bucket-cells.js';
import { checkBucketName, checkProperties } from '../client/policy.js';
import type { BucketCell, BucketDefinition, BucketDirectory } from '../client/view.js';

interface Keeper {
  load(): readonly BucketDefinition[];
  save(buckets: readonly BucketDefinition[]): void;
}

/** The buckets of the store: kept durably before anybody hears of a change. */
export class HostBuckets implements BucketDirectory {
  private readonly cells: BucketCells;
  private readonly keeper: Keeper | undefined;
  private readonly defaults: BucketProperties;
  private readonly nodes: number;
  private readonly engine: 'lmdb' | 'memory';
  private readonly announce: (bucket: BucketDefinition) => void;
  private readonly listeners = new Set<(bucket: BucketDefinition) => void>();

  constructor(
    keeper: Keeper | undefined,
    defaults: BucketProperties,
    nodes: number,
    engine: 'lmdb' | 'memory',
    /** Told of every bucket before anybody can use it. */
    announce: (bucket: BucketDefinition) => void,
  ) {
    this.keeper = keeper;
    this.announce = announce;
    this.defaults = defaults;
    this.nodes = nodes;
    this.engine = engine;
    this.cells = new BucketCells((keeper?.load() ?? []).map(complete));
    for (const bucket of this.list()) announce(bucket);
  }

  /** n of every bucket and of new ones, ascending. */
  replicas(): number[] {
    const all = [this.defaults.n, ...this.list().map(({ properties }) => properties.n)];
    return [...new Set(all)].sort((a, b) => a - b);
  }

  /** Asked before a bucket with such an n is made. */
  allowReplicas: (n: number) => void = () => undefined;

  /** Of members now. */
  nodeCount = (): number => this.nodes;

  cell(name: string): BucketCell | undefined {
    return this.cells.cell(name);
  }
  refresh(): void {
    // Nothing can be newer than this list.
  }
  list(): readonly BucketDefinition[] {
    return this.cells.list();
  }
  onChange(listener: (bucket: BucketDefinition) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async define(name: string, properties: Partial<BucketProperties>): Promise<BucketDefinition> {
    checkBucketName(name);
    const before = this.cells.cell(name)?.definition;
    if (before === undefined && this.cells.size >= LIMITS.buckets) {
      throw new RingletError('BUCKET_LIMIT', `a store has at most ${LIMITS.buckets} buckets`, {
        limit: LIMITS.buckets,
      });
    }
    const wanted: BucketProperties = { ...(before?.properties ?? this.defaults), ...properties };
    for (const fixed of ['n', 'conflict', 'cache'] as const) {
      const got = before?.properties[fixed] ?? false;
      const asked = wanted[fixed] ?? false;
      if (before === undefined || got === asked) continue;
      throw new RingletError(
        'BUCKET_MISMATCH',
        `bucket ${name} was created with ${fixed} = ${got}; that cannot be changed to ${asked}`,
        { bucket: name, property: fixed, got, asked },
      );
    }
    checkProperties(wanted, this.nodeCount(), this.engine, undefined);
    if (before === undefined) this.allowReplicas(wanted.n);
    if (before !== undefined && sameProperties(before.properties, wanted)) return before;
    const bucket: BucketDefinition = {
      number: before?.number ?? this.nextNumber(),
      name,
      properties: wanted,
      version: (before?.version ?? 0) + 1,
    };
    this.keeper?.save([...this.list().filter((other) => other.name !== name), bucket]);
    this.announce(bucket);
    this.cells.set(bucket);
    for (const listener of this.listeners) listener(bucket);
    return bucket;
  }

  private nextNumber(): number {
    return this.list().reduce((most, bucket) => Math.max(most, bucket.number), 0) + 1;
  }
}

/** A bucket that was stored before it had all properties of today. */
function complete(bucket: BucketDefinition): BucketDefinition {
  return { ...bucket, properties: { ...bucket.properties, strict: bucket.properties.strict ?? false } };
}

function sameProperties(a: BucketProperties, b: BucketProperties): boolean {
  return (
    a.n === b.n &&
    a.r === b.r &&
    a.w === b.w &&
    a.durability === b.durability &&
    a.conflict === b.conflict &&
    a.strict === b.strict &&
    (a.ttlMs ?? 0) === (b.ttlMs ?? 0) &&
    (a.cache ?? false) === (b.cache ?? false) &&
    a.maxBytes === b.maxBytes
  );
}
