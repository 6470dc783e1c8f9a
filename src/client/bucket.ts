import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import {
  IF_ABSENT,
  IF_MATCH,
  IF_NOTHING,
  IF_PRESENT,
  OP_DELETE,
  OP_INCREMENT,
  OP_PUT,
  OP_TOUCH,
} from '../messaging/frames.js';
import { encodeContentType } from '../storage/record-codec.js';
import type {
  Bucket,
  BucketProperties,
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
  TimelineEvent,
  TouchOptions,
  Value,
} from './api.js';
import { bounded } from './bounded.js';
import type { Connection } from './connection.js';
import { VectorContext, vectorOf } from './context.js';
import { GetOrSet } from './get-or-set.js';
import { Gets } from './gets.js';
import { inspectionOf } from './inspect.js';
import { ERROR, OK } from './latencies.js';
import { aborted, finished, locateKey } from './located.js';
import {
  checkBucketName,
  checkLifetime,
  checkProperties,
  checkTtl,
  completed,
  policyOf,
  timeoutOf,
} from './policy.js';
import type { Policy, PutTask } from './request.js';
import { memberCount } from '../ring/live-ring.js';
import type { Clock } from '../versions/dvvs.js';
import { QuickRequests } from './quick-requests.js';
import { scanBucket } from './scan.js';
import { offAbort, onAbort } from './signals.js';
import type { BucketCell, BucketDefinition, BucketDirectory } from './view.js';

const NO_OPTIONS = {} as const;
const NO_BYTES = new Uint8Array(0);
const NO_CONTEXT: Clock<never> = [];
const encoder = new TextEncoder();

type WriteResult = PutResult & { readonly total: number };
/** What a put task needs besides policy and time. */
type Wanted = Omit<PutTask, 'kind' | 'policy' | 'startedMs' | 'deadlineMs' | 'timeline' | 'done'>;
/** Requests of one getMany or putMany in flight at a time. */
const MANY = 256;
/** How long an inspection waits for owners that do not answer. */
const INSPECT_MS = 1_000;
const PRESENT = { code: IF_PRESENT, context: undefined };

/** A named set of keys as one thread sees it. */
export class ConnectedBucket implements Bucket {
  readonly name: string;
  private readonly connection: Connection;
  private readonly directory: BucketDirectory;
  private readonly wanted: Partial<BucketProperties>;
  private readonly gets: Gets;
  private readonly loads: GetOrSet;
  private cell: BucketCell | undefined;
  private checked: BucketDefinition | undefined;
  /** Of a request without options. */
  private readPolicy: Policy | undefined;
  /** For servers in this thread. */
  readonly quick: QuickRequests;

  constructor(
    connection: Connection,
    directory: BucketDirectory,
    resolvers: Readonly<Record<string, Resolver>>,
    name: string,
    wanted: Partial<BucketProperties>,
  ) {
    checkBucketName(name);
    this.connection = connection;
    this.directory = directory;
    this.name = name;
    this.wanted = wanted;
    this.gets = new Gets(connection, resolvers);
    this.loads = new GetOrSet({
      name,
      connection,
      get: (key, options) => this.get(key, options),
      put: (key, value, options) => this.put(key, value, options),
      remove: (key, options) => this.write(OP_DELETE, key, NO_BYTES, '', 0, options),
      ttlMs: () => this.find()?.properties.ttlMs ?? this.wanted.ttlMs ?? 0,
    });
    this.quick = new QuickRequests(connection, this.gets, () =>
      this.find() === undefined ? undefined : this.readPolicy,
    );
  }

  /** The definition if the bucket exists; compares it with what this handle was opened with. */
  private find(): BucketDefinition | undefined {
    if (this.cell === undefined && (this.cell = this.directory.cell(this.name)) === undefined) {
      this.directory.refresh();
      this.cell = this.directory.cell(this.name);
      if (this.cell === undefined) return undefined;
    }
    const found = this.cell.definition;
    if (found === this.checked) return found;
    for (const fixed of ['n', 'conflict', 'cache'] as const) {
      const wanted = this.wanted[fixed];
      const got = found.properties[fixed] ?? false;
      if (wanted === undefined || wanted === got) continue;
      throw new RingletError(
        'BUCKET_MISMATCH',
        `bucket ${this.name} was created with ${fixed} = ${got}, not ${wanted}; that cannot be changed`,
        { bucket: this.name, property: fixed, got, asked: wanted },
      );
    }
    this.checked = found;
    this.readPolicy = policyOf(found, this.connection.view, NO_OPTIONS);
    return found;
  }

  private async findOrCreate(): Promise<BucketDefinition> {
    return this.find() ?? (await this.directory.define(this.name, this.wanted).then(() => this.find()!));
  }

  async get(key: Key, options: GetOptions = NO_OPTIONS): Promise<GetResult> {
    this.connection.assertUsable();
    const definition = this.find();
    if (definition === undefined) {
      this.connection.assertOpen();
      this.connection.router.locate(key);
      timeoutOf(options.timeoutMs);
      if (options.signal?.aborted === true) throw aborted(false);
      // Yields like any other: whoever polls waits for somebody to create it.
      return this.gets.immediately({ found: false, siblings: [], degraded: false });
    }
    const policy =
      options.r === undefined && options.strict === undefined
        ? this.readPolicy!
        : policyOf(definition, this.connection.view, options);
    return this.gets.get(definition, policy, key, options);
  }

  put(key: Key, value: Value, options: PutOptions = NO_OPTIONS): Promise<PutResult> {
    const contentType = options.contentType ?? (typeof value === 'string' ? 'text/plain;charset=utf-8' : '');
    return this.write(OP_PUT, key, value, contentType, 0, options);
  }

  delete(key: Key, options: DeleteOptions = NO_OPTIONS): Promise<PutResult> {
    return this.write(OP_DELETE, key, NO_BYTES, '', 0, options);
  }

  async increment(key: Key, by = 1, options: IncrementOptions = NO_OPTIONS): Promise<number> {
    if (!Number.isSafeInteger(by)) {
      throw new RingletError('BAD_REQUEST', 'an increment is a safe integer', { by: String(by) });
    }
    return (await this.write(OP_INCREMENT, key, NO_BYTES, '', by, options)).total;
  }

  async touch(key: Key, lifetime: Lifetime, options: TouchOptions = NO_OPTIONS): Promise<boolean> {
    if (typeof lifetime === 'object') {
      return await this.restamp(key, { ...options, expiresAtMs: lifetime.expiresAtMs });
    }
    checkTtl(lifetime, 1);
    return await this.restamp(key, { ...options, ttlMs: lifetime });
  }

  persist(key: Key, options: TouchOptions = NO_OPTIONS): Promise<boolean> {
    return this.restamp(key, { ...options, ttlMs: 0 });
  }

  private async restamp(key: Key, options: PutOptions): Promise<boolean> {
    this.connection.assertOpen();
    checkLifetime(options);
    if (this.find() === undefined) return false;
    try {
      await this.write(OP_TOUCH, key, NO_BYTES, '', 0, options);
      return true;
    } catch (error) {
      if (error instanceof RingletError && error.code === 'CONDITION_FAILED') return false;
      throw error;
    }
  }

  private valueOf(value: Value): Uint8Array {
    const bytes = typeof value === 'string' ? encoder.encode(value) : value;
    if (!(bytes instanceof Uint8Array)) {
      throw new RingletError('BAD_REQUEST', 'a value is a Uint8Array or a string', { type: typeof value });
    }
    const limit = this.connection.view.valueBytes;
    if (bytes.length > limit) {
      throw new RingletError(
        'VALUE_TOO_LARGE',
        `a value has at most ${limit} bytes, this one has ${bytes.length}`,
        {
          valueBytes: bytes.length,
          limit,
        },
      );
    }
    return bytes;
  }

  /** Not `async`: each promise between the caller and the answer costs about as much as the routing. */
  private write(
    operation: number,
    key: Key,
    value: Value,
    contentType: string,
    by: number,
    options: PutOptions,
  ): Promise<WriteResult> {
    try {
      const { connection } = this;
      connection.assertOpen();
      const isPlainTouch = operation === OP_TOUCH && options.ifMatch === undefined;
      const condition = isPlainTouch ? PRESENT : conditionOf(options);
      checkLifetime(options);
      const type = contentTypeOf(contentType);
      const wanted: Wanted = {
        operation,
        condition: condition.code,
        context: condition.context === undefined ? NO_CONTEXT : vectorOf(condition.context),
        value: this.valueOf(value),
        contentTypeCode: type.code,
        contentType: type.bytes,
        by,
        key: locateKey(connection, key),
      };
      const timeoutMs = timeoutOf(options.timeoutMs);
      if (options.signal?.aborted === true) throw aborted(false);
      const definition = this.find();
      if (definition !== undefined) return this.submit(wanted, definition, timeoutMs, options);
      return this.findOrCreate().then((created) => {
        connection.assertOpen();
        if (options.signal?.aborted === true) throw aborted(false);
        return this.submit(wanted, created, timeoutMs, options);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private submit(
    wanted: Wanted,
    definition: BucketDefinition,
    timeoutMs: number,
    options: PutOptions,
  ): Promise<WriteResult> {
    const { connection } = this;
    const policy = policyOf(definition, connection.view, options);
    const startedMs = connection.clock.nowMs();
    const timeline: TimelineEvent[] | undefined = options.timeline === true ? [] : undefined;
    const { signal } = options;
    return new Promise((resolve, reject) => {
      let slot = -1;
      const abort = (): void => connection.machine.abort(slot, task, aborted);
      const task: PutTask = {
        kind: 'put',
        ...wanted,
        by: wanted.operation === OP_INCREMENT ? wanted.by : this.expiryOf(wanted.operation, policy, options),
        policy,
        startedMs,
        deadlineMs: startedMs + timeoutMs,
        timeline,
        done: (outcome) => {
          if (signal !== undefined) offAbort(signal, abort);
          const failed = outcome instanceof RingletError;
          const tookMs = connection.clock.nowMs() - startedMs;
          connection.latencies.record(
            // A touch counts as a put.
            wanted.operation === OP_TOUCH ? OP_PUT + 1 : wanted.operation + 1,
            policy.bucket,
            failed ? ERROR : OK,
            tookMs,
          );
          if (failed) {
            reject(outcome);
            return;
          }
          const result = { context: new VectorContext(outcome.vector), total: outcome.total };
          resolve(
            timeline === undefined
              ? result
              : { ...result, timeline: finished(timeline, connection, startedMs) },
          );
        },
      };
      // Before it is sent: a refusal at once must find the listener to take it away again.
      if (signal !== undefined) onAbort(signal, abort);
      try {
        slot = connection.submit(task);
      } catch (error) {
        if (signal !== undefined) offAbort(signal, abort);
        throw error;
      }
    });
  }

  /** When what is put now expires, in wall milliseconds; 0: never. */
  private expiryOf(operation: number, policy: Policy, options: PutOptions): number {
    if (options.expiresAtMs !== undefined) return options.expiresAtMs;
    const ttlMs = operation === OP_DELETE ? 0 : (options.ttlMs ?? policy.ttlMs ?? 0);
    return ttlMs === 0 ? 0 : this.connection.expiry.nowMs() + ttlMs;
  }

  async getOrSet(key: Key, load: Load, options: GetOrSetOptions = NO_OPTIONS): Promise<GetOrSetResult> {
    return this.loads.run(key, load, options);
  }

  getMany(keys: readonly Key[], options: GetOptions = NO_OPTIONS): Promise<GetResult[]> {
    return bounded(keys, MANY, (key) => this.get(key, options));
  }

  putMany(entries: readonly PutEntry[], options: PutOptions = NO_OPTIONS): Promise<PutOutcome[]> {
    return bounded(entries, MANY, async ({ key, value, context, contentType, ttlMs }) => {
      const own = {
        ...(context === undefined ? {} : { context }),
        ...(contentType === undefined ? {} : { contentType }),
        ...(ttlMs === undefined ? {} : { ttlMs }),
      };
      try {
        return { ok: true, context: (await this.put(key, value, { ...options, ...own })).context } as const;
      } catch (error) {
        if (error instanceof RingletError) return { ok: false, error: error.toJSON() } as const;
        throw error;
      }
    });
  }

  async *scan(options: ScanOptions = NO_OPTIONS): AsyncIterableIterator<ScanItem> {
    this.connection.assertOpen();
    const definition = this.find();
    if (definition !== undefined) yield* scanBucket(this.connection, definition, options);
  }

  async inspect(key: Key): Promise<Inspection> {
    this.connection.assertOpen();
    const located = locateKey(this.connection, key);
    const result = await this.get(key, { timeline: true });
    const definition = this.find();
    const { n, r, w } = definition?.properties ?? (await this.properties());
    const policy = definition === undefined ? undefined : policyOf(definition, this.connection.view, {});
    const nothing = { contributions: [], degraded: true };
    // An owner that hangs is no reason to show nothing.
    const copies = policy && (await this.gets.copies(located, policy, INSPECT_MS).catch(() => undefined));
    const unmade = { bucket: 0, n, r, w, level: 0, rule: 0, strict: false };
    return inspectionOf(this.connection, located, policy ?? unmade, copies ?? nothing, result);
  }

  async properties(): Promise<BucketProperties> {
    return this.find()?.properties ?? { ...this.connection.view.defaults, ...this.wanted };
  }

  async setProperties(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    this.connection.assertOpen();
    const now = await this.properties();
    const { ring, engine } = this.connection.view;
    const wanted = this.find() === undefined ? completed(properties, now) : properties;
    checkProperties({ ...now, ...wanted }, memberCount(ring), engine, undefined);
    return (await this.directory.define(this.name, { ...this.wanted, ...wanted })).properties;
  }
}

function contentTypeOf(contentType: string): { code: number; bytes: Uint8Array | undefined } {
  if (contentType === '') return { code: 0, bytes: undefined };
  const type = encodeContentType(contentType);
  const length = type.bytes?.length ?? 0;
  if (length > LIMITS.contentTypeBytes) {
    throw new RingletError(
      'BAD_REQUEST',
      `a content type has at most ${LIMITS.contentTypeBytes} bytes, this one has ${length}`,
      {
        contentTypeBytes: length,
        limit: LIMITS.contentTypeBytes,
      },
    );
  }
  return type;
}

function conditionOf(options: PutOptions): { code: number; context: ContextLike | undefined } {
  if (options.ifAbsent === true) {
    if (options.ifMatch !== undefined)
      throw new RingletError('BAD_REQUEST', 'ifAbsent and ifMatch exclude each other');
    return { code: IF_ABSENT, context: options.context };
  }
  if (options.ifMatch === undefined) return { code: IF_NOTHING, context: options.context };
  return { code: IF_MATCH, context: options.ifMatch };
}
