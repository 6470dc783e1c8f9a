import type { BucketProperties, HostStore, RingDescription } from '../client/api.js';
import type { Found, Inspected, Listed, ListOptions, Target, WriteOptions } from './target.js';

/** A store that the command has opened itself, and closes at its end. */
export class StoreTarget implements Target {
  readonly #store: HostStore;

  constructor(store: HostStore) {
    this.#store = store;
  }

  async get(bucket: string, key: string | Uint8Array): Promise<Found> {
    const { siblings, context, degraded } = await this.#store.bucket(bucket).get(key);
    return { siblings, degraded, ...(context === undefined ? {} : { context: context.toString() }) };
  }

  async put(
    bucket: string,
    key: string | Uint8Array,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<string> {
    return (await this.#store.bucket(bucket).put(key, value, options)).context.toString();
  }

  async delete(bucket: string, key: string, options: Pick<WriteOptions, 'context'>): Promise<string> {
    return (await this.#store.bucket(bucket).delete(key, options)).context.toString();
  }

  async *list(bucket: string, { values: _values, ...options }: ListOptions): AsyncGenerator<Listed> {
    for await (const { key, siblings, context, cursor } of this.#store.bucket(bucket).scan(options)) {
      yield { key, siblings, cursor, context: context.toString() };
    }
  }

  async ensureBucket(name: string, properties: Partial<BucketProperties>): Promise<BucketProperties> {
    const existing = (await this.#store.buckets()).find((bucket) => bucket.name === name);
    return existing ?? this.#store.bucket(name, properties).setProperties(properties);
  }

  async inspect(bucket: string, key: string): Promise<Inspected> {
    const { result, ...where } = await this.#store.bucket(bucket).inspect(key);
    const siblings = result.siblings.map(({ value, contentType, modifiedAtMs }) => ({
      bytes: value.length,
      contentType,
      modifiedAt: new Date(modifiedAtMs).toISOString(),
    }));
    const deleted = !result.found && result.context !== undefined;
    return {
      bucket,
      ...where,
      degraded: result.degraded,
      deleted,
      siblings,
      timeline: result.timeline ?? [],
    };
  }

  async ring(): Promise<RingDescription> {
    return this.#store.ring();
  }

  backup(without: readonly string[]): AsyncIterable<Uint8Array> {
    return this.#store.backupStream({ without });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
