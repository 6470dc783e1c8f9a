import { assert } from '../../base/assert.js';
import { RingletError } from '../../base/errors.js';
import { fnv1a } from '../../base/hash.js';
import { SlotMap } from '../../base/slot-map.js';
import type { BucketProperties, Context, GetResult, PutOptions, Sibling, Store } from '../../client/api.js';
import { inBatches } from '../../client/bounded.js';
import { ConnectedBucket } from '../../client/bucket.js';
import type { QuickRequests } from '../../client/quick-requests.js';
import { ReplyError } from './errors.js';
import type { Gate } from './gate.js';
import type { LastWrites } from './last-writes.js';
import { someKey } from './walk.js';

/** Attempts of a read-modify-write before it gives up: only other threads and doors compete with it. */
const ATTEMPTS = 64;

/** When a value expires, in milliseconds since 1970; 0: never; undefined: after the bucket's time to live. */
export type Expiry = number | undefined;

/** What a read-modify-write makes of the value that is there. */
export type Change<T> =
  | { readonly write: Uint8Array; readonly expiresAtMs: Expiry; readonly result: T }
  | { readonly remove: true; readonly result: T }
  /** The same value, with another time. */
  | { readonly restamp: number; readonly result: T }
  /** Everything stays as it is. */
  | { readonly result: T };

/** A bucket of a store in this process: the door uses more of it than the public interface has. */
export function connectedBucket(
  store: Store,
  name: string,
  properties?: Partial<BucketProperties>,
): ConnectedBucket {
  const bucket = store.bucket(name, properties);
  assert(bucket instanceof ConnectedBucket, 'the door serves a store of this process');
  return bucket;
}

/** One database: a bucket as the Redis commands see it. */
export class Keyspace {
  readonly index: number;
  readonly name: string;
  private readonly store: Store;
  readonly gate: Gate;
  /** Once somebody has asked for it. */
  opened: ConnectedBucket | undefined;
  /** The same bucket without promises, once it exists. */
  quick: QuickRequests | undefined;
  /** Per hash of a key the last read-modify-write of this thread: those of one key run one after the other. */
  private readonly chains = new SlotMap<Promise<unknown>>();

  constructor(store: Store, index: number, gate: Gate) {
    this.store = store;
    this.index = index;
    this.name = `redis-${index}`;
    this.gate = gate;
  }

  /** The bucket: last write wins, unless somebody has created it otherwise. */
  async bucket(): Promise<ConnectedBucket> {
    if (this.opened !== undefined && this.quick !== undefined) return this.opened;
    // Until it exists another door may create it.
    const exists = (await this.store.buckets()).some(({ name }) => name === this.name);
    if (!exists) return (this.opened ??= connectedBucket(this.store, this.name, { conflict: 'lww' }));
    this.opened = connectedBucket(this.store, this.name);
    this.quick = this.opened.quick;
    return this.opened;
  }

  async find(key: Uint8Array): Promise<GetResult> {
    const bucket = await this.bucket();
    return await this.gate.within(() => bucket.get(key));
  }

  /** A get by whoever has entered the gate. */
  async ask(key: Uint8Array): Promise<Uint8Array | undefined> {
    return valueOf(await (await this.bucket()).get(key));
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return valueOf(await this.find(key));
  }

  /** When the key's value expires, 0 if never; undefined without a value. */
  async expiry(key: Uint8Array): Promise<Expiry> {
    return expiryOf(newestOf(await this.find(key)));
  }

  async put(key: Uint8Array, value: Uint8Array, expiresAtMs: Expiry, writes: LastWrites): Promise<void> {
    const bucket = await this.bucket();
    const { context } = await this.gate.within(() => bucket.put(key, value, lifetime(expiresAtMs)));
    writes.note(bucket, key, context);
  }

  async someKey(): Promise<Uint8Array | undefined> {
    return await someKey(await this.bucket(), this.store.ring().partitions);
  }

  /** Walks the bucket; whoever asks meanwhile gets the same answer. */
  count(): Promise<number> {
    this.counting ??= this.countAll().finally(() => {
      this.counting = undefined;
    });
    return this.counting;
  }
  private counting: Promise<number> | undefined;

  private async countAll(): Promise<number> {
    let keys = 0;
    for await (const item of (await this.bucket()).scan()) if (item.siblings.length > 0) keys++;
    return keys;
  }

  /** Deletes every key that is there when it begins. */
  async clear(width: number, writes: LastWrites): Promise<void> {
    const bucket = await this.bucket();
    await inBatches(bucket.scan(), width, ({ key }) => this.remove(bucket, key, writes));
  }

  /** Whether there was something to delete. */
  async delete(key: Uint8Array, writes: LastWrites): Promise<boolean> {
    const found = await this.find(key);
    if (!found.found) return false;
    await this.remove(await this.bucket(), key, writes);
    return true;
  }

  private async remove(bucket: ConnectedBucket, key: Uint8Array, writes: LastWrites): Promise<void> {
    const { context } = await this.gate.within(() => bucket.delete(key));
    writes.note(bucket, key, context);
  }

  /**
   * Read, change, write, exactly: the write is conditional on the context that was read, and the
   * condition is tested at the key's first owner (docs/decisions/0017). A lost race begins anew.
   *
   * @param change hears also when the value expires, 0 if never; undefined without a value
   * @param writes hears of what was written
   */
  update<T>(
    key: Uint8Array,
    change: (value: Uint8Array | undefined, expiresAtMs: Expiry) => Change<T>,
    writes: LastWrites,
  ): Promise<T> {
    // Two keys of one hash wait for each other, which does no harm.
    const hash = fnv1a(key);
    const before = this.chains.get(hash);
    const mine =
      before === undefined
        ? this.attempt(key, change, writes)
        : before.then(
            () => this.attempt(key, change, writes),
            () => this.attempt(key, change, writes),
          );
    this.chains.set(hash, mine);
    const done = (): void => {
      if (this.chains.get(hash) === mine) this.chains.delete(hash);
    };
    mine.then(done, done);
    return mine;
  }

  private async attempt<T>(
    key: Uint8Array,
    change: (value: Uint8Array | undefined, expiresAtMs: Expiry) => Change<T>,
    writes: LastWrites,
  ): Promise<T> {
    for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
      const found = await this.find(key);
      const newest = newestOf(found);
      const wanted = change(newest?.value, expiryOf(newest));
      if (await this.apply(key, wanted, found.context, writes)) return wanted.result;
    }
    throw new ReplyError(`TRYAGAIN the key was changed by others ${ATTEMPTS} times in a row`);
  }

  /** False if the key is not any more as it was found. */
  private async apply(
    key: Uint8Array,
    wanted: Change<unknown>,
    context: Context | undefined,
    writes: LastWrites,
  ): Promise<boolean> {
    const bucket = await this.bucket();
    const condition = context === undefined ? ({ ifAbsent: true } as const) : { ifMatch: context };
    const { gate } = this;
    try {
      if ('write' in wanted) {
        const options = { ...condition, ...lifetime(wanted.expiresAtMs) };
        writes.note(bucket, key, (await gate.within(() => bucket.put(key, wanted.write, options))).context);
      } else if ('remove' in wanted) {
        const deleted = await gate.within(() => bucket.delete(key, { ifMatch: context! }));
        writes.note(bucket, key, deleted.context);
      } else if ('restamp' in wanted) {
        const { restamp: expiresAtMs } = wanted;
        const time = expiresAtMs === 0 ? { ttlMs: 0 } : { expiresAtMs };
        const made = await gate.within(() => bucket.restamped(key, { ...time, ifMatch: context! }));
        if (made === undefined) return false;
        writes.note(bucket, key, made);
      }
      return true;
    } catch (error) {
      if (error instanceof RingletError && error.code === 'CONDITION_FAILED') return false;
      throw error;
    }
  }
}

function lifetime(expiresAtMs: Expiry): Pick<PutOptions, 'ttlMs' | 'expiresAtMs'> {
  if (expiresAtMs === undefined) return {};
  return expiresAtMs === 0 ? { ttlMs: 0 } : { expiresAtMs };
}

function expiryOf(found: Sibling | undefined): Expiry {
  return found && (found.expiresAtMs ?? 0);
}

/** The value of a get; the newest of siblings, where the bucket keeps them. */
function newestOf({ siblings }: GetResult): Sibling | undefined {
  if (siblings.length < 2) return siblings[0];
  return siblings.reduce((a, b) => (b.modifiedAtMs > a.modifiedAtMs ? b : a));
}

export function valueOf(found: GetResult): Uint8Array | undefined {
  return newestOf(found)?.value;
}
