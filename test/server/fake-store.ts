import { RingletError } from '../../src/base/errors.js';
import { LIMITS } from '../../src/base/limits.js';
import type {
  Bucket,
  BucketProperties,
  Context,
  ContextLike,
  GetOptions,
  GetOrSetResult,
  GetResult,
  Key,
  Load,
  PutOptions,
  PutResult,
  Quorum,
  ScanOptions,
  ScanItem,
  Sibling,
  Store,
  TouchOptions,
  Value,
  VnodeState,
} from '../../src/client/api.js';

/** A context of the fake: the numbers of the versions that were seen. */
class FakeContext implements Context {
  readonly bytes: Uint8Array;
  constructor(seen: readonly number[]) {
    this.bytes = Buffer.from(`seen:${seen.join(',')}`);
  }
  toString(): string {
    return Buffer.from(this.bytes).toString('base64url');
  }
  toJSON(): string {
    return this.toString();
  }
}

function parseContext(given: ContextLike): number[] {
  const match = /^seen:([\d,]+)$/.exec(Buffer.from(String(given), 'base64url').toString());
  if (match === null) throw new RingletError('BAD_CONTEXT', 'the context is not one of ours');
  return match[1]!.split(',').map(Number);
}

interface Entry {
  readonly live: Map<number, Sibling>;
  seen: number[];
}

/** Siblings, tombstones and conditions in one Map: enough of a store to test what HTTP makes of it. */
export class FakeBucket implements Bucket {
  readonly #entries = new Map<string, Entry>();
  #properties: BucketProperties;
  #versions = 0;

  readonly name: string;
  readonly #store: FakeStore | undefined;

  constructor(name: string, store: FakeStore | undefined, properties: Partial<BucketProperties>) {
    this.name = name;
    this.#store = store;
    this.#properties = {
      n: 3,
      r: 2,
      w: 2,
      durability: 'buffered',
      conflict: 'siblings',
      strict: false,
      ...properties,
    };
  }

  /** The default bucket is the store itself. */
  get store(): FakeStore {
    return this.#store ?? (this as unknown as FakeStore);
  }

  #quorum(name: string, given: Quorum | undefined): void {
    const { n } = this.#properties;
    if (typeof given === 'number' && given > n) {
      throw new RingletError('BAD_REQUEST', `${name} is above n`, { parameter: name, given, n });
    }
  }

  async #enter(options: { signal?: AbortSignal } | undefined): Promise<void> {
    this.store.calls.push({ ...options });
    this.store.lastSignal = options?.signal;
    if (this.store.failure !== undefined) throw this.store.failure;
    await this.store.gate;
  }

  async get(key: Key, options?: GetOptions): Promise<GetResult> {
    this.#quorum('r', options?.r);
    await this.#enter(options);
    if (this.store.readFailure !== undefined) throw this.store.readFailure;
    const entry = this.#entries.get(nameOf(key));
    const siblings = entry === undefined ? [] : [...entry.live.values()];
    return {
      found: siblings.length > 0,
      ...(siblings.length === 1 ? { value: siblings[0]!.value } : {}),
      siblings,
      ...(entry === undefined ? {} : { context: new FakeContext(entry.seen) }),
      degraded: this.store.degraded,
      ...(options?.timeline === true
        ? { timeline: [{ atUs: 1_500, event: 'answered', vnode: 'n1.0', outcome: '"hit"' }] as const }
        : {}),
    };
  }

  async getOrSet(key: Key, load: Load): Promise<GetOrSetResult> {
    const seen = await this.get(key);
    if (seen.found) return { ...seen, source: 'stored' };
    const value = await load({ key, signal: new AbortController().signal });
    if (value !== undefined) await this.put(key, value);
    return { ...(await this.get(key)), source: 'loaded' };
  }

  async put(key: Key, value: Value, options: PutOptions = {}): Promise<PutResult> {
    this.#quorum('w', options.w);
    const context = this.#write(key, options, {
      value: Buffer.from(value),
      contentType: options.contentType ?? 'application/octet-stream',
      modifiedAtMs: 1_700_000_000_000 + this.#versions,
      ...expiryOf(options.ttlMs ?? 0),
    });
    await this.#enter(options);
    return { context };
  }

  async delete(key: Key, options: PutOptions = {}): Promise<PutResult> {
    await this.#enter(options);
    return { context: this.#write(key, options, undefined) };
  }

  #write(key: Key, options: PutOptions, sibling: Sibling | undefined): Context {
    const name = nameOf(key);
    if (name === '') throw new RingletError('BAD_REQUEST', 'the key is empty');
    if (name.length > LIMITS.keyBytes) throw new RingletError('KEY_TOO_LARGE', 'the key is too long');
    const entry: Entry = this.#entries.get(name) ?? { live: new Map(), seen: [] };
    const superseded = options.context === undefined ? [] : parseContext(options.context);
    const matches =
      options.ifMatch === undefined || parseContext(options.ifMatch).join(',') === entry.seen.join(',');
    if (!matches || (options.ifAbsent === true && entry.live.size > 0)) {
      throw new RingletError('CONDITION_FAILED', 'the condition does not hold');
    }
    for (const version of options.ifMatch === undefined ? superseded : entry.seen) entry.live.delete(version);
    if (sibling === undefined && options.context === undefined) entry.live.clear();
    const version = ++this.#versions;
    if (sibling !== undefined) entry.live.set(version, sibling);
    entry.seen = [...entry.seen, version];
    this.#entries.set(name, entry);
    this.store.created.set(this.name, this);
    return new FakeContext(entry.seen);
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<ScanItem, undefined> {
    await this.#enter(options);
    const prefix = nameOf(options.prefix ?? '');
    const after = options.cursor === undefined ? -1 : Number(options.cursor);
    let left = options.limit ?? Infinity;
    try {
      for (const [position, [name, entry]] of [...this.#entries].entries()) {
        if (position <= after || !name.startsWith(prefix) || entry.live.size === 0) continue;
        if (left-- <= 0) return;
        if (position === this.store.scanFailsAt) throw new Error('secret path /home/user');
        this.store.scanned++;
        const siblings = [...entry.live.values()];
        yield {
          key: Buffer.from(name, 'latin1'),
          siblings,
          context: new FakeContext(entry.seen),
          cursor: String(position),
        };
      }
    } finally {
      this.store.scanEnded();
    }
  }

  inspect(): Promise<never> {
    throw new RingletError('INTERNAL', 'not part of the fake');
  }
  async touch(key: Key, ttlMs: number, options?: TouchOptions): Promise<boolean> {
    await this.#enter({ ...options });
    return this.#restamp(key, expiryOf(ttlMs), options?.ifMatch);
  }
  async persist(key: Key, options?: TouchOptions): Promise<boolean> {
    await this.#enter({ ...options });
    return this.#restamp(key, {}, options?.ifMatch);
  }
  #restamp(key: Key, expiry: { expiresAtMs?: number }, ifMatch: ContextLike | undefined): boolean {
    const { live, seen } = this.#entries.get(nameOf(key)) ?? {};
    if (ifMatch !== undefined && parseContext(ifMatch).join(',') !== seen?.join(',')) return false;
    if (live === undefined) return false;
    for (const [version, { value, contentType, modifiedAtMs }] of live)
      live.set(version, { value, contentType, modifiedAtMs, ...expiry });
    return live.size > 0;
  }

  increment(): Promise<number> {
    throw new RingletError('INTERNAL', 'not part of the fake');
  }
  async getMany(keys: readonly Key[]): Promise<GetResult[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }
  putMany(): Promise<never> {
    throw new RingletError('INTERNAL', 'not part of the fake');
  }
  async properties(): Promise<BucketProperties> {
    return this.#properties;
  }
  async setProperties(properties: Partial<BucketProperties>): Promise<BucketProperties> {
    if (properties.n !== undefined && properties.n !== this.#properties.n) {
      throw new RingletError('BUCKET_MISMATCH', 'n is fixed', { n: this.#properties.n });
    }
    this.#properties = { ...this.#properties, ...properties };
    return this.#properties;
  }
}

export class FakeStore extends FakeBucket implements Store {
  readonly #buckets = new Map<string, FakeBucket>();
  readonly created = new Map<string, FakeBucket>();
  readonly calls: object[] = [];
  degraded = false;
  failure: Error | undefined;
  readFailure: Error | undefined;
  gate: Promise<void> | undefined;
  lastSignal: AbortSignal | undefined;
  scanFailsAt = -1;
  scanned = 0;
  scanEnded: () => void = () => undefined;
  states: VnodeState[] = ['serving', 'serving'];

  constructor() {
    super('default', undefined, {});
  }

  bucket(name: string, properties: Partial<BucketProperties> = {}): FakeBucket {
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(name))
      throw new RingletError('BAD_REQUEST', 'bad bucket name', { name });
    const bucket = this.#buckets.get(name) ?? new FakeBucket(name, this, properties);
    this.#buckets.set(name, bucket);
    return bucket;
  }

  async buckets(): Promise<({ readonly name: string } & BucketProperties)[]> {
    return Promise.all(
      [...this.created.values()].map(async (b) => ({ name: b.name, ...(await b.properties()) })),
    );
  }

  lists: ReturnType<Store['ring']>['preferenceLists'] = [
    ['n1.0', 'n2.0'],
    ['n2.0', 'n1.0'],
  ];

  ring(): ReturnType<Store['ring']> {
    return {
      partitions: 2,
      epoch: 1,
      nodes: this.states.map((state, i) => ({
        id: `n${i + 1}`,
        capacity: 1,
        vnodes: [{ id: `n${i + 1}.0`, state, incarnation: 1, partitions: 1, suspectedBy: [] }],
      })),
      preferenceLists: this.lists,
    };
  }

  stats(): ReturnType<Store['stats']> {
    const none = { records: 0, bytes: 0, oldestMs: 0 };
    return {
      uptimeMs: 1,
      callers: 1,
      maxCallers: 16,
      vnodes: [],
      faults: { allowed: false, links: [], disks: [] },
      atRisk: { processCrash: none, powerCut: none },
    };
  }

  latencies(): ReturnType<Store['latencies']> {
    return [];
  }

  async close(): Promise<void> {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

function expiryOf(ttlMs: number): { expiresAtMs?: number } {
  return ttlMs === 0 ? {} : { expiresAtMs: 1_700_000_000_000 + ttlMs };
}

function nameOf(key: Key): string {
  return Buffer.from(key).toString('latin1');
}
