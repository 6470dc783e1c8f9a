import { AsyncDisposeSymbol } from '../base/dispose.js';
import { LIMITS } from '../base/limits.js';
import { memberCount } from '../ring/live-ring.js';
import type {
  Bucket,
  BucketProperties,
  DeleteOptions,
  GetOptions,
  GetOrSetOptions,
  GetOrSetResult,
  GetResult,
  IncrementOptions,
  Inspection,
  Key,
  Latency,
  Lifetime,
  Load,
  PutEntry,
  PutOptions,
  PutOutcome,
  PutResult,
  Resolver,
  RingDescription,
  ScanItem,
  ScanOptions,
  Store,
  StoreStats,
  TouchOptions,
  Value,
} from './api.js';
import { checkObject } from './arguments.js';
import { ConnectedBucket } from './bucket.js';
import type { Connection } from './connection.js';
import { readLatencies } from './latencies.js';
import { checkProperties, completed } from './policy.js';
import { describeRing, readStats } from './stats.js';
import type { BucketDirectory } from './view.js';

/** The store as one thread sees it, over one caller slot. */
export class ConnectedStore implements Store {
  protected readonly connection: Connection;
  private readonly directory: BucketDirectory;
  private readonly resolvers: Readonly<Record<string, Resolver>>;
  private readonly known = new Map<string, ConnectedBucket>();
  private readonly standard: ConnectedBucket;
  private readonly onClose: () => Promise<void>;

  constructor(
    connection: Connection,
    directory: BucketDirectory,
    resolvers: Readonly<Record<string, Resolver>>,
    onClose: () => Promise<void>,
  ) {
    this.connection = connection;
    this.directory = directory;
    this.resolvers = resolvers;
    this.onClose = onClose;
    this.standard = new ConnectedBucket(connection, directory, resolvers, 'default', {});
  }

  bucket(name: string, properties?: Partial<BucketProperties>): Bucket {
    if (properties === undefined) return this.plain(name);
    checkObject('properties', properties);
    const { ring, engine, defaults } = this.connection.view;
    const wanted = completed(properties, defaults);
    checkProperties({ ...defaults, ...wanted }, memberCount(ring), engine, Object.keys(this.resolvers));
    return new ConnectedBucket(this.connection, this.directory, this.resolvers, name, properties);
  }

  /** Kept for the next call with the same name; names are the users', so the map has a bound. */
  private plain(name: string): Bucket {
    let bucket = this.known.get(name);
    if (bucket === undefined) {
      bucket = new ConnectedBucket(this.connection, this.directory, this.resolvers, name, {});
      if (this.known.size >= LIMITS.buckets) this.known.clear();
      this.known.set(name, bucket);
    }
    return bucket;
  }

  async buckets(): Promise<readonly ({ readonly name: string } & BucketProperties)[]> {
    this.connection.assertOpen();
    this.directory.refresh();
    return this.directory.list().map(({ name, properties }) => ({ name, ...properties }));
  }

  get(key: Key, options?: GetOptions): Promise<GetResult> {
    return this.standard.get(key, options);
  }
  put(key: Key, value: Value, options?: PutOptions): Promise<PutResult> {
    return this.standard.put(key, value, options);
  }
  delete(key: Key, options?: DeleteOptions): Promise<PutResult> {
    return this.standard.delete(key, options);
  }
  increment(key: Key, by?: number, options?: IncrementOptions): Promise<number> {
    return this.standard.increment(key, by, options);
  }
  touch(key: Key, lifetime: Lifetime, options?: TouchOptions): Promise<boolean> {
    return this.standard.touch(key, lifetime, options);
  }
  persist(key: Key, options?: TouchOptions): Promise<boolean> {
    return this.standard.persist(key, options);
  }
  getOrSet(key: Key, load: Load, options?: GetOrSetOptions): Promise<GetOrSetResult> {
    return this.standard.getOrSet(key, load, options);
  }
  getMany(keys: readonly Key[], options?: GetOptions): Promise<GetResult[]> {
    return this.standard.getMany(keys, options);
  }
  putMany(entries: readonly PutEntry[], options?: PutOptions): Promise<PutOutcome[]> {
    return this.standard.putMany(entries, options);
  }
  scan(options?: ScanOptions): AsyncIterableIterator<ScanItem> {
    return this.standard.scan(options);
  }
  inspect(key: Key): Promise<Inspection> {
    return this.standard.inspect(key);
  }
  properties(): Promise<BucketProperties> {
    return this.standard.properties();
  }
  setProperties(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    return this.standard.setProperties(properties);
  }

  ring(): RingDescription {
    this.connection.rings.follow();
    return describeRing(this.connection.view);
  }
  stats(): StoreStats {
    this.connection.rings.follow();
    return readStats(this.connection.view);
  }
  latencies(): readonly Latency[] {
    this.directory.refresh();
    const names = new Map(this.directory.list().map(({ number, name }) => [number, name]));
    return readLatencies(this.connection.view, (bucket) => names.get(bucket));
  }

  close(): Promise<void> {
    return this.onClose();
  }
  [AsyncDisposeSymbol](): Promise<void> {
    return this.close();
  }
}
