import { EventEmitter } from 'node:events';
import { errorFrom, RingletError } from '../base/errors.js';
import { bounded } from '../client/bounded.js';
import {
  type AdapterTarget,
  AdapterBucket,
  clear,
  decode,
  remove,
  valueOf,
  WIDTH,
} from './adapter-bucket.js';

export type { AdapterTarget } from './adapter-bucket.js';

export interface KeyvRingletEntry {
  readonly key: string;
  readonly value: string | Uint8Array;
  /** Milliseconds. */
  readonly ttl?: number | undefined;
}

/** Namespaces that an adapter remembers after it was given another. */
const FORMER = 16;

/**
 * A storage adapter for Keyv (interface of version 5, which version 6 takes too):
 *
 *     const keyv = new Keyv({ store: new KeyvRinglet({ store }), namespace: 'users' });
 *
 * A key is stored as `NAMESPACE:KEY`, with `:` and `%` of the namespace escaped, so that no
 * namespace can reach into another; KEY is what Keyv hands over, which by default begins with the
 * namespace again. Together they have at most 1,900 bytes: KEY_TOO_LARGE otherwise. Values are
 * strings (what Keyv serializes to) or bytes (returned as a Buffer); a missing `ttl` leaves the bucket's own.
 *
 * **Each Keyv needs an adapter of its own**, which costs nothing over one store. Keyv tells an
 * adapter its namespace once and not with each call, so that one that two Keyvs share cannot know
 * whose keys `clear()` means: it refuses, as it does the keys of the earlier namespace (BAD_REQUEST).
 *
 * All methods reject with RingletErrors; `get` also emits `error`, since Keyv keeps silent about it.
 */
export class KeyvRinglet extends EventEmitter {
  /** Keyv 5 offers `iterator()` only for adapters of a dialect from a list of its own. */
  readonly opts: Record<string, unknown> = { dialect: 'redis' };
  private readonly home: AdapterBucket;
  private current: string | undefined;
  private former: readonly string[] = [];

  /**
   * @param target the bucket is "keyv" if it names none
   * @throws RingletError BAD_REQUEST
   */
  constructor(target: AdapterTarget) {
    super();
    this.home = new AdapterBucket(target, 'keyv');
  }

  /** Set by Keyv. */
  get namespace(): string | undefined {
    return this.current;
  }
  set namespace(namespace: string | undefined) {
    if (this.current !== undefined && this.current !== namespace) {
      this.former = [...this.former, this.current].filter((name) => name !== namespace).slice(-FORMER);
    }
    this.current = namespace;
  }

  async get<Value = string>(key: string): Promise<Value | undefined> {
    try {
      const bucket = await this.home.get();
      return valueOf(await bucket.get(this.stored(key))) as Value | undefined;
    } catch (error) {
      if (this.listenerCount('error') > 0) this.emit('error', error);
      throw error;
    }
  }

  async getMany<Value = string>(keys: readonly string[]): Promise<(Value | undefined)[]> {
    const bucket = await this.home.get();
    const found = await bucket.getMany(keys.map((key) => this.stored(key)));
    return found.map((result) => valueOf(result) as Value | undefined);
  }

  /** @param ttl milliseconds, rounded up; 0 and Infinity: never expires; negative: it is over already */
  async set(key: string, value: string | Uint8Array, ttl?: number): Promise<boolean> {
    const bucket = await this.home.get();
    await bucket.put(this.stored(key), value, lifetime(ttl));
    return true;
  }

  /**
   * One boolean per entry; the first failure is emitted. Keyv 5 declares that nothing is returned,
   * but hands it on.
   */
  async setMany(entries: readonly KeyvRingletEntry[]): Promise<void & boolean[]> {
    const bucket = await this.home.get();
    const outcomes = await bucket.putMany(
      entries.map(({ key, value, ttl }) => ({ key: this.stored(key), value, ...lifetime(ttl) })),
    );
    const failed = outcomes.find((outcome) => !outcome.ok);
    if (failed?.ok === false && this.listenerCount('error') > 0) this.emit('error', errorFrom(failed.error));
    return outcomes.map(({ ok }) => ok) as void & boolean[];
  }

  /** Whether there was something to delete; by a read before it, so that two may both say yes. */
  async delete(key: string): Promise<boolean> {
    return await remove(await this.home.get(), this.stored(key));
  }

  /** Whether there was any of them. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const bucket = await this.home.get();
    const removed = await bounded(keys, WIDTH, (key) => remove(bucket, this.stored(key)));
    return removed.includes(true);
  }

  async has(key: string): Promise<boolean> {
    const bucket = await this.home.get();
    return (await bucket.get(this.stored(key))).found;
  }

  async hasMany(keys: readonly string[]): Promise<boolean[]> {
    const bucket = await this.home.get();
    const results = await bucket.getMany(keys.map((key) => this.stored(key)));
    return results.map(({ found }) => found);
  }

  /** Deletes all keys of the namespace, and no others. */
  async clear(): Promise<void> {
    if (this.former.length > 0) {
      throw this.shared(`clear() may mean any of the namespaces ${this.former.join(', ')}, ${this.current}`);
    }
    await clear(await this.home.get(), prefixOf(this.current));
  }

  async *iterator<Value = string>(
    namespace: string | undefined = this.current,
  ): AsyncGenerator<[string, Awaited<Value>], void> {
    const prefix = prefixOf(namespace);
    const bucket = await this.home.get();
    for await (const item of bucket.scan({ prefix })) {
      const value = valueOf(item);
      if (value !== undefined) yield [decode(item.key).slice(prefix.length), value as Awaited<Value>];
    }
  }

  /** Closes the store if this adapter has opened it. */
  async disconnect(): Promise<void> {
    await this.home.close();
  }

  private stored(key: string): string {
    const belongsTo = (namespace: string): boolean => key.startsWith(`${namespace}:`);
    if (this.former.length > 0 && !belongsTo(this.current ?? '')) {
      const other = this.former.find(belongsTo);
      if (other !== undefined) throw this.shared(`this key belongs to namespace ${other}`);
    }
    return prefixOf(this.current) + key;
  }

  private shared(what: string): RingletError {
    return new RingletError(
      'BAD_REQUEST',
      `the adapter was given another namespace since: ${what}; each Keyv needs an adapter of its own`,
      { namespace: this.current ?? null },
    );
  }
}

function prefixOf(namespace = ''): string {
  return `${namespace.replace(/[%:]/g, (char) => (char === '%' ? '%25' : '%3A'))}:`;
}

/** As with a Map below Keyv: without an end for ever; over already, which is what is left of a short time after a wait, at once. */
function lifetime(ttl: number | undefined): { ttlMs?: number; expiresAtMs?: number } {
  if (ttl === undefined) return {};
  if (ttl === Number.POSITIVE_INFINITY) return { ttlMs: 0 };
  return ttl < 0 ? { expiresAtMs: 1 } : { ttlMs: Math.ceil(ttl) };
}
