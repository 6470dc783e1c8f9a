import { RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { OP_DELETE, OP_INCREMENT, OP_PUT, OP_TOUCH } from '../messaging/frames.js';
import { memberCount } from '../ring/live-ring.js';
import type {
  Bucket,
  BucketProperties,
  Context,
  ContextLike,
  DeleteOptions,
  GetOptions,
  GetOrSetOptions,
  GetOrSetResult,
  GetResult,
  IncrementOptions,
  Inspection,
  Key,
  Lifetime,
  Load,
  PutEntry,
  PutOptions,
  PutOutcome,
  PutResult,
  Resolver,
  ScanItem,
  ScanOptions,
  TouchOptions,
  Value,
} from './api.js';
import { checkList, checkObject, checkRequest } from './arguments.js';
import { bounded } from './bounded.js';
import { BucketWrites } from './bucket-writes.js';
import type { Connection } from './connection.js';
import { CopyWatch } from './copy-watch.js';
import { vectorOf } from './context.js';
import { GetOrSet } from './get-or-set.js';
import { Gets } from './gets.js';
import { inspectionOf } from './inspect.js';
import {
  checkKnown,
  DELETE_OPTIONS,
  GET_OPTIONS,
  INCREMENT_OPTIONS,
  PUT_ENTRY,
  PUT_OPTIONS,
  TOUCH_OPTIONS,
} from './known-options.js';
import { aborted, locateKey } from './located.js';
import { NamedBucket } from './named-bucket.js';
import {
  checkExpiry,
  checkLifetime,
  checkProperties,
  checkTtl,
  completed,
  policyOf,
  timeoutOf,
} from './policy.js';
import { QuickRequests } from './quick-requests.js';
import { scanBucket, scanPlan } from './scan.js';
import type { BucketDirectory } from './view.js';

const NO_OPTIONS = {} as const;
const NO_BYTES = new Uint8Array(0);
/** Requests of one getMany or putMany in flight at a time. */
const MANY = 256;
/** Bytes of their values: more would be refused by the first virtual node that they are all for (OVERLOADED). */
const MANY_BYTES = { of: valueBytesOf, most: LIMITS.outboxBytes / 2 };
/** How long an inspection waits for owners that do not answer. */
const INSPECT_MS = 1_000;

/** A named set of keys as one thread sees it. */
export class ConnectedBucket implements Bucket {
  readonly name: string;
  private readonly connection: Connection;
  private readonly named: NamedBucket;
  private readonly gets: Gets;
  private readonly writes: BucketWrites;
  /** Made by the first getOrSet: most buckets never see one. */
  private loads: GetOrSet | undefined;
  /** For servers in this thread. */
  readonly quick: QuickRequests;

  constructor(
    connection: Connection,
    directory: BucketDirectory,
    resolvers: Readonly<Record<string, Resolver>>,
    name: string,
    asked: Partial<BucketProperties>,
  ) {
    this.named = new NamedBucket(connection, directory, name, asked);
    this.connection = connection;
    this.name = name;
    this.gets = new Gets(connection, resolvers);
    this.writes = new BucketWrites(connection, this.named);
    this.quick = new QuickRequests(connection, this.gets, this.named);
  }

  async get(key: Key, options: GetOptions = NO_OPTIONS): Promise<GetResult> {
    this.connection.assertUsable();
    if (options !== NO_OPTIONS) checkRequest(options, GET_OPTIONS);
    const definition = this.named.find();
    if (definition === undefined) {
      this.connection.assertOpen();
      this.connection.router.locate(key);
      timeoutOf(options.timeoutMs);
      policyOf(this.named.unmade, this.connection.view, options);
      if (options.signal?.aborted === true) throw aborted(false);
      // Yields like any other: whoever polls waits for somebody to create it.
      return this.gets.immediately({ found: false, siblings: [], degraded: false });
    }
    const policy =
      options.r === undefined && options.strict === undefined
        ? this.named.policy!
        : policyOf(definition, this.connection.view, options);
    return this.gets.get(definition, policy, key, options);
  }

  put(key: Key, value: Value, options: PutOptions = NO_OPTIONS): Promise<PutResult> {
    return this.writes.write(OP_PUT, key, value, 0, options, PUT_OPTIONS);
  }

  delete(key: Key, options: DeleteOptions = NO_OPTIONS): Promise<PutResult> {
    return this.writes.write(OP_DELETE, key, NO_BYTES, 0, options, DELETE_OPTIONS);
  }

  async increment(key: Key, by = 1, options: IncrementOptions = NO_OPTIONS): Promise<number> {
    if (!Number.isSafeInteger(by)) {
      throw new RingletError('BAD_REQUEST', 'an increment is a safe integer', { by: shown(by) });
    }
    const written = await this.writes.write(OP_INCREMENT, key, NO_BYTES, by, options, INCREMENT_OPTIONS);
    return written.total!;
  }

  async touch(key: Key, lifetime: Lifetime, options: TouchOptions = NO_OPTIONS): Promise<boolean> {
    checkRequest(options, TOUCH_OPTIONS);
    if (typeof lifetime === 'object' && lifetime !== null) {
      // Without a time it would be no touch but a persist.
      checkExpiry(lifetime.expiresAtMs);
      return await this.restamp(key, { ...options, expiresAtMs: lifetime.expiresAtMs });
    }
    checkTtl(lifetime, 1);
    return await this.restamp(key, { ...options, ttlMs: lifetime });
  }

  async persist(key: Key, options: TouchOptions = NO_OPTIONS): Promise<boolean> {
    checkRequest(options, TOUCH_OPTIONS);
    return this.restamp(key, { ...options, ttlMs: 0 });
  }

  private async restamp(key: Key, options: PutOptions): Promise<boolean> {
    return (await this.restamped(key, options)) !== undefined;
  }

  /** As touch and persist: the context of what was written, if there was something to write. */
  async restamped(
    key: Key,
    options: Pick<PutOptions, 'ttlMs' | 'expiresAtMs' | 'ifMatch'>,
  ): Promise<Context | undefined> {
    this.connection.assertOpen();
    checkLifetime(options);
    if (this.named.find() === undefined) {
      this.connection.router.locate(key);
      return undefined;
    }
    try {
      return (await this.writes.write(OP_TOUCH, key, NO_BYTES, 0, options, PUT_OPTIONS)).context;
    } catch (error) {
      if (error instanceof RingletError && error.code === 'CONDITION_FAILED') return undefined;
      throw error;
    }
  }

  /** Whether what is written gets to a disk. */
  get durable(): boolean {
    return this.connection.view.engine !== 'memory';
  }

  /** Of a write that was acknowledged with this context: how many nodes have it. */
  watchCopies(key: Key, context: ContextLike): CopyWatch {
    const { connection } = this;
    // Of a deletion there may be no bucket.
    const policy = policyOf(this.named.find() ?? this.named.unmade, connection.view, {});
    return new CopyWatch(connection, this.gets, locateKey(connection, key), policy, vectorOf(context));
  }

  async getOrSet(key: Key, load: Load, options: GetOrSetOptions = NO_OPTIONS): Promise<GetOrSetResult> {
    this.loads ??= new GetOrSet({
      name: this.name,
      connection: this.connection,
      get: (...request) => this.get(...request),
      put: (...request) => this.put(...request),
      remove: (absent, how) => this.writes.write(OP_DELETE, absent, NO_BYTES, 0, how, PUT_OPTIONS),
      ttlMs: () => this.named.find()?.properties.ttlMs ?? this.named.wanted.ttlMs ?? 0,
    });
    return this.loads.run(key, load, options);
  }

  async getMany(keys: readonly Key[], options: GetOptions = NO_OPTIONS): Promise<GetResult[]> {
    this.connection.assertOpen();
    checkList('keys', keys);
    checkRequest(options, GET_OPTIONS);
    return bounded(keys, MANY, (key) => this.get(key, options));
  }

  async putMany(entries: readonly PutEntry[], options: PutOptions = NO_OPTIONS): Promise<PutOutcome[]> {
    this.connection.assertOpen();
    checkList('entries', entries);
    checkRequest(options, PUT_OPTIONS);
    const put = async (entry: PutEntry): Promise<PutOutcome> => {
      try {
        checkObject('an entry', entry);
        checkKnown(entry, PUT_ENTRY);
        const { key, value, context, contentType, ttlMs } = entry;
        const own = {
          ...(context === undefined ? {} : { context }),
          ...(contentType === undefined ? {} : { contentType }),
          ...(ttlMs === undefined ? {} : { ttlMs }),
        };
        return { ok: true, context: (await this.put(key, value, { ...options, ...own })).context } as const;
      } catch (error) {
        if (error instanceof RingletError) return { ok: false, error: error.toJSON() } as const;
        throw error;
      }
    };
    return bounded(entries, MANY, put, MANY_BYTES);
  }

  async *scan(options: ScanOptions = NO_OPTIONS): AsyncIterableIterator<ScanItem> {
    this.connection.assertOpen();
    const plan = scanPlan(this.connection, this.name, options);
    const definition = this.named.find();
    if (definition !== undefined) yield* scanBucket(this.connection, definition, plan);
  }

  async inspect(key: Key): Promise<Inspection> {
    this.connection.assertOpen();
    const located = locateKey(this.connection, key);
    const result = await this.get(key, { timeline: true });
    const definition = this.named.find();
    const { n, r, w } = definition?.properties ?? (await this.properties());
    const policy = definition === undefined ? undefined : policyOf(definition, this.connection.view, {});
    const nothing = { contributions: [], degraded: true };
    // An owner that hangs is no reason to show nothing.
    const copies = policy && (await this.gets.copies(located, policy, INSPECT_MS).catch(() => undefined));
    const unmade = { bucket: 0, n, r, w, level: 0, rule: 0, strict: false, sloppyPuts: true };
    return inspectionOf(this.connection, located, policy ?? unmade, copies ?? nothing, result);
  }

  async properties(): Promise<BucketProperties> {
    this.connection.assertOpen();
    return this.named.findNewest()?.properties ?? { ...this.connection.view.defaults, ...this.named.wanted };
  }

  async setProperties(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    checkObject('properties', properties);
    const now = await this.properties();
    const { ring, engine } = this.connection.view;
    const wanted = this.named.find() === undefined ? completed(properties, now) : properties;
    checkProperties({ ...now, ...wanted }, memberCount(ring), engine, undefined);
    return await this.named.define(wanted);
  }
}

/** Of an entry that nobody has checked yet. */
function valueBytesOf(entry: PutEntry | null | undefined): number {
  const value: unknown = entry?.value;
  if (typeof value === 'string') return Buffer.byteLength(value);
  return value instanceof Uint8Array ? value.length : 0;
}
