import type { Durability } from '../base/durability.js';
import type { ErrorFields } from '../base/errors.js';
import type { FaultControl } from './api-faults.js';
import type { Latency, RingDescription, StartupReport, StoreStats, VnodeState } from './api-stats.js';
import type { BackupOptions, BackupSummary } from './backup-api.js';
import type { RingControl } from './ring-api.js';

export type * from './api-faults.js';
export type * from './api-stats.js';

/**
 * The public types of the store. `open()` (src/host) and `connect(handle)` (src/client) both
 * return a {@link Store}; the same code serves every thread.
 */

export type { Durability };

/** `siblings`: the application resolves. `lww`: greatest timestamp. Else the name of a resolver given to `open`. */
export type ConflictRule = 'siblings' | 'lww' | (string & {});

/** 1 to n, or a word: `one` = 1, `quorum` = floor(n/2)+1, `all` = n, `default` = the bucket's. */
export type Quorum = number | 'one' | 'quorum' | 'all' | 'default';

export interface BucketProperties {
  /** Replicas per key. Fixed at the bucket's creation. */
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly durability: Durability;
  /** Fixed at the bucket's creation. */
  readonly conflict: ConflictRule;
  /** Only the n owners of a key count towards R and W: no fallback stands in for one; default false. */
  readonly strict: boolean;
  /** Values that are put without a `ttlMs` of their own expire after so long; 0 or missing: never. At most ten years. */
  readonly ttlMs?: number;
  /**
   * The bucket is a cache: what is read least leaves when it has more than its limit, and it takes every put.
   * Fixed at the bucket's creation; then n is 1, the last write wins, and only the owner counts (`strict`).
   */
  readonly cache?: boolean;
  /** Of a cache: bytes of its records, keys included, in the whole store; 64 KiB to 1 TiB. Default: what `cacheMiB` leaves. */
  readonly maxBytes?: number;
}

/**
 * The version vector of what a get saw, opaque. Pass the object, its `toString()` (base64url) or
 * its bytes back to a put: that put supersedes what the get saw.
 */
export interface Context {
  readonly bytes: Uint8Array;
  toString(): string;
  toJSON(): string;
}
export type ContextLike = Context | string | Uint8Array;

export type Key = string | Uint8Array;
export type Value = Uint8Array | string;

export interface RequestOptions {
  /** Milliseconds until the request fails with TIMEOUT; 1 to 600,000, default 5,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Record who was asked and who answered when; see {@link TimelineEvent}. */
  readonly timeline?: boolean;
}

export interface GetOptions extends RequestOptions {
  readonly r?: Quorum;
  /** Wait for R owners that lack nothing that others keep for them, and fail with QUORUM_NOT_MET rather than return a degraded answer. */
  readonly strict?: boolean;
}

export interface PutOptions extends RequestOptions {
  readonly context?: ContextLike;
  /** Write only if the key holds no live value. */
  readonly ifAbsent?: boolean;
  /** Write only if the key's context is exactly this one, which is superseded then; `context` is the same or left out. */
  readonly ifMatch?: ContextLike;
  /** Stored and returned with the value; a media type of up to 255 printable ASCII characters. Strings default to text/plain;charset=utf-8. */
  readonly contentType?: string;
  readonly w?: Quorum;
  readonly durability?: Durability;
  /** Only owners count towards W. A put with a condition is always strict. */
  readonly strict?: boolean;
  /** The value expires after so long; 0: never. Default: the bucket's. */
  readonly ttlMs?: number;
  /** The value expires at this time, in milliseconds since 1970, instead of a `ttlMs`; nobody sees one whose time is over. */
  readonly expiresAtMs?: number;
}

export type DeleteOptions = Omit<PutOptions, 'contentType' | 'ifAbsent' | 'ttlMs' | 'expiresAtMs'>;
export type IncrementOptions = Pick<PutOptions, 'timeoutMs' | 'signal' | 'w' | 'durability' | 'strict'>;

/** A touch is a conditional write: strict, at the partition's first owner. */
export type TouchOptions = Pick<PutOptions, 'timeoutMs' | 'signal' | 'w' | 'durability' | 'ifMatch'>;

/** A time to live in milliseconds from now, or the time at which a value expires. */
export type Lifetime = number | { readonly expiresAtMs: number };

export interface Sibling {
  /** A Buffer. */
  readonly value: Uint8Array;
  readonly contentType: string;
  readonly modifiedAtMs: number;
  /** When it expires; only of values that do. */
  readonly expiresAtMs?: number;
}

export interface TimelineEvent {
  /** Microseconds since the request began. */
  readonly atUs: number;
  readonly event: 'direct-read' | 'sent' | 'answered' | 'retried' | 'timed-out' | 'done';
  /** Virtual node, such as "n1.0". */
  readonly vnode?: string;
  readonly outcome?: string;
}

export interface GetResult {
  /** At least one live value. */
  readonly found: boolean;
  /** Only with exactly one live sibling. */
  readonly value?: Uint8Array;
  readonly siblings: readonly Sibling[];
  /** Absent when nothing was ever written; a tombstone has one. */
  readonly context?: Context;
  /** Fewer than R owners contributed: what only the others have is missing. Then an absence proves nothing. */
  readonly degraded: boolean;
  /** Until when `getOrSet` remembers that there is nothing; only where it does. */
  readonly absentUntilMs?: number;
  readonly timeline?: readonly TimelineEvent[];
}

/** What `getOrSet` gives the loader. */
export interface LoadRequest {
  readonly key: Key;
  /** Fires when nobody waits for the value any more. */
  readonly signal: AbortSignal;
}

/** Gets a value from where it comes from; undefined: there is none. */
export type Load = (request: LoadRequest) => Value | undefined | Promise<Value | undefined>;

export interface GetOrSetOptions {
  /** Of what is loaded, in milliseconds; 0: for ever. Default: the bucket's. */
  readonly ttlMs?: number;
  /**
   * What is loaded lives so much longer. In the last so many milliseconds of its life a value is *stale*: it
   * is returned at once, and loaded anew in the background. Default 0. Give it with every call for a key.
   */
  readonly staleWhileRevalidateMs?: number;
  /** So long it is remembered that `load` returned undefined. Default 0: not at all. */
  readonly negativeTtlMs?: number;
  /** Of the whole call, the load included; 1 to 600,000, default 5,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  readonly contentType?: string;
}

export interface GetOrSetResult extends GetResult {
  readonly source: 'stored' | 'stale' | 'loaded';
  /** Why what was loaded is not stored; the next one will load again. */
  readonly error?: Error;
}

export interface PutResult {
  readonly context: Context;
  readonly timeline?: readonly TimelineEvent[];
}

export interface Inspection {
  readonly partition: number;
  /** How many owners it has in this bucket, and how many a get compares. */
  readonly n: number;
  readonly r: number;
  /** In order of preference: the owners, then those that stand in for them. */
  readonly preferenceList: readonly KeyCopy[];
  /** What a get says, with its timeline. */
  readonly result: GetResult;
}

export interface KeyCopy {
  readonly vnode: string;
  readonly node: string;
  readonly state: VnodeState;
  readonly suspectedBy: readonly string[];
  readonly owner: boolean;
  /** `none`: it was not asked, or did not answer; `absent`: it has nothing, not even a tombstone. */
  readonly answer: 'present' | 'absent' | 'none';
  /** The entries of its copy's clock: an actor's counter, and the values of that actor that are not superseded. */
  readonly versions: readonly {
    readonly actor: number;
    readonly counter: number;
    readonly values: readonly {
      readonly deleted: boolean;
      readonly bytes: number;
      readonly contentType: string;
      readonly modifiedAtMs: number;
    }[];
  }[];
}

export interface ScanOptions {
  /** Only keys that begin with these bytes. */
  readonly prefix?: Key;
  /** Continue after the item that carried this cursor. */
  readonly cursor?: string;
  /** At most so many items; default: all. */
  readonly limit?: number;
  /** Of each page that is fetched, of up to 1,000 keys or so: a scan as a whole takes as long as it takes. Default 5,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Keys come in no meaningful order; a key that exists throughout the scan is returned exactly once. */
export interface ScanItem {
  /** A Buffer. */
  readonly key: Uint8Array;
  /** Only with exactly one live sibling. */
  readonly value?: Uint8Array;
  readonly siblings: readonly Sibling[];
  readonly context: Context;
  readonly cursor: string;
}

export interface PutEntry {
  readonly key: Key;
  readonly value: Value;
  readonly context?: ContextLike;
  readonly contentType?: string;
  readonly ttlMs?: number;
}
export type PutOutcome =
  | { readonly ok: true; readonly context: Context }
  | { readonly ok: false; readonly error: ErrorFields };

export interface Bucket {
  readonly name: string;
  get(key: Key, options?: GetOptions): Promise<GetResult>;
  /** A byte value is not copied: leave it unchanged until the promise has settled. */
  put(key: Key, value: Value, options?: PutOptions): Promise<PutResult>;
  /**
   * Deletes what the context has seen. Without one it is concurrent to what is there: with siblings it removes
   * nothing, in an `lww` bucket what its coordinator knows. It makes no bucket where there is none.
   */
  delete(key: Key, options?: DeleteOptions): Promise<PutResult>;
  /** Adds `by` (a safe integer) and returns the sum that the coordinator knows. */
  increment(key: Key, by?: number, options?: IncrementOptions): Promise<number>;
  /** Gives a key's live values another lifetime; false if there are none, or not those of `ifMatch`. A counter has none (BAD_REQUEST). */
  touch(key: Key, lifetime: Lifetime, options?: TouchOptions): Promise<boolean>;
  /** Lets them live for ever. */
  persist(key: Key, options?: TouchOptions): Promise<boolean>;
  /**
   * The stored value, or else what `load` returns, which is stored. One load of a key runs at a time over all
   * threads of the process; the others wait for what it stores, or load themselves when it throws, its
   * thread ends or its time is over. Callers of one thread share a load, its error included.
   *
   * What is loaded is stored only if nobody has put or deleted the key meanwhile.
   *
   * @throws RingletError TIMEOUT, ABORTED, CLOSED, VALUE_TOO_LARGE, BAD_REQUEST; whatever `load` throws
   */
  getOrSet(key: Key, load: Load, options?: GetOrSetOptions): Promise<GetOrSetResult>;
  getMany(keys: readonly Key[], options?: GetOptions): Promise<GetResult[]>;
  putMany(entries: readonly PutEntry[], options?: PutOptions): Promise<PutOutcome[]>;
  scan(options?: ScanOptions): AsyncIterableIterator<ScanItem>;
  /** Where a key lives and what each of its owners has, for people; it asks all of them. */
  inspect(key: Key): Promise<Inspection>;
  properties(): Promise<BucketProperties>;
  /** Changes r, w, durability, strict, ttlMs (of later puts) or maxBytes; n, conflict and cache are fixed at creation (BUCKET_MISMATCH). */
  setProperties(properties: Partial<BucketProperties>): Promise<BucketProperties>;
}

/** The methods of {@link Bucket} on the store itself use the bucket "default". */
export interface Store extends Omit<Bucket, 'name'>, AsyncDisposable {
  /**
   * A bucket by name ([A-Za-z0-9_.-]{1,64}); created with these properties at its first write. Where it was
   * created otherwise, requests by this object have the r, w, durability, strict and ttlMs that are given here;
   * another n, conflict or cache is refused (BUCKET_MISMATCH), and maxBytes stays as it is.
   */
  bucket(name: string, properties?: Partial<BucketProperties>): Bucket;
  /** Names and properties of all buckets that exist. */
  buckets(): Promise<readonly ({ readonly name: string } & BucketProperties)[]>;
  ring(): RingDescription;
  stats(): StoreStats;
  /** How long requests of all threads took since the store was opened, by operation, bucket and outcome. */
  latencies(): readonly Latency[];
  close(): Promise<void>;
}

/** The store in the thread that opened it. */
export interface HostStore extends Store {
  /** Grows and shrinks the store while it serves. */
  readonly members: RingControl;
  /**
   * Writes everything of the store into a new file while it serves: all that was acknowledged before the
   * call, siblings, deletions, counters, times and buckets. The file is read again and verified before it
   * gets its name. Ring changes wait meanwhile (RING_CHANGING). `restore` makes a data directory of it.
   *
   * @throws RingletError BAD_REQUEST (it exists), RING_CHANGING, TIMEOUT (a virtual node does not serve), STORE_FULL, IO
   */
  backup(file: string, options?: BackupOptions): Promise<BackupSummary>;
  /** The same as a stream, to be kept elsewhere; only one that came to its end is a backup. */
  backupStream(options?: BackupOptions): AsyncIterableIterator<Uint8Array>;
  /** Takes a caller slot for one other thread; TOO_MANY_CALLERS when all are taken. */
  handle(): Handle;
  /** How the start went. */
  readonly startup: StartupReport;
  /** Breaks the store on purpose; FAULTS_OFF unless it was opened with `allowFaults`. */
  readonly faults: FaultControl;
}

/**
 * What another thread needs to connect. Pass it in `workerData` (or postMessage) together with
 * `transferList: [...handle.transferList]`; there, `connect(workerData.handle)`.
 */
export interface Handle {
  readonly transferList: readonly import('node:worker_threads').MessagePort[];
  /** Gives the slot back when the handle was never sent. */
  release(): void;
}

/** Called in the caller's thread with two or more live siblings; must be deterministic. */
export type Resolver = (siblings: readonly Sibling[], key: Uint8Array) => Uint8Array;

export interface OpenOptions {
  /** Data directory; default "./data". Not used by the memory engine. */
  readonly data?: string;
  readonly engine?: 'lmdb' | 'memory';
  /**
   * Number of nodes (n1…), default 4, 1 to 64. A data directory that has another number gets it by a
   * ring change after the start; without this option it keeps the nodes that it has.
   */
  readonly nodes?: number;
  /** Virtual nodes (threads) per node, default 1; they share the node's partitions. */
  readonly vnodes?: number;
  /** Relative load per node, such as `{ n1: 2 }`; default 1, 1 to 16. */
  readonly capacity?: Readonly<Record<string, number>>;
  /** Power of two, default 64. */
  readonly partitions?: number;
  /** Room for virtual nodes, those that join later included; default: twice as many as at the start, at most 64. */
  readonly maxVnodes?: number;
  /** Defaults of new buckets: n = min(3, nodes), r = w = floor(n/2)+1. */
  readonly n?: number;
  readonly r?: number;
  readonly w?: number;
  readonly durability?: Durability;
  readonly conflict?: ConflictRule;
  /** All object buffers together, MiB; default 512. Pages are used only as data arrives. */
  readonly memoryMiB?: number;
  /**
   * What the cache buckets may have of it together, MiB; default half with the memory engine (at most three
   * quarters), else a quarter (at most half).
   */
  readonly cacheMiB?: number;
  /** Largest value in bytes; default 1 MiB, at most 64 MiB. */
  readonly valueBytes?: number;
  /** Longest time that a buffered write stays unwritten, ms; default 20. */
  readonly flushMs?: number;
  /**
   * Background work (transfers, handing over, trees, engine writes) is held back while the p99 of requests
   * is above so many milliseconds: 1 to 10,000, default 2. `off`: it is never held back.
   */
  readonly foregroundP99Ms?: number | 'off';
  readonly maxCallers?: number;
  readonly resolvers?: Readonly<Record<string, Resolver>>;
  /**
   * Who coordinates: the calling thread, which knows the ring (`client`, the default), or any virtual
   * node, as behind a load balancer (`server`; to measure what that costs: no direct reads, no read
   * repair, and a get with fewer than R owners fails).
   */
  readonly coordination?: 'client' | 'server';
  /** Serve gets from shared memory without a message; default true. */
  readonly directReads?: boolean;
  /** Whether faults may be injected (`store.faults`); default false. */
  readonly allowFaults?: boolean;
}
