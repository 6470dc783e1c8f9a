import type { Driver } from 'unstorage';
import { errorFrom } from '../base/errors.js';
import type { Bucket, GetResult } from '../client/api.js';
import { bufferOf } from '../client/value-pool.js';
import { type AdapterTarget, AdapterBucket, clear, decode, remove } from './adapter-bucket.js';

export type { AdapterTarget } from './adapter-bucket.js';

/**
 * A driver for unstorage:
 *
 *     const storage = createStorage({ driver: ringletDriver({ store, bucket: 'assets' }) });
 *
 * Keys are stored as unstorage normalizes them (`a:b:c`, at most 1,900 bytes), strings as text and
 * raw items as bytes. The option `ttl` of `setItem` is in seconds, as for other drivers; without
 * it the bucket's holds. There is no `watch`: unstorage tells watchers what its own storage object
 * changes, and nobody of other writers.
 *
 * @param target the bucket is "unstorage" if it names none
 * @throws RingletError BAD_REQUEST; the driver's methods reject with RingletErrors
 */
export default function ringletDriver(target: AdapterTarget): Driver<AdapterTarget, Promise<Bucket>> {
  const home = new AdapterBucket(target, 'unstorage');
  const get = async (key: string): Promise<GetResult> => (await home.get()).get(key);
  const put = async (key: string, value: unknown, options: ItemOptions | undefined): Promise<void> => {
    await (await home.get()).put(key, bytesOf(value), lifetime(options));
  };

  return {
    name: 'ringlet',
    flags: { ttl: true },
    options: target,
    getInstance: () => home.get(),

    hasItem: async (key) => (await get(key)).found,
    getItem: async (key) => textOf(await get(key)),
    async getItemRaw(key) {
      const [item] = (await get(key)).siblings;
      return item === undefined ? null : bufferOf(item.value);
    },
    async getItems(items) {
      const results = await (await home.get()).getMany(items.map(({ key }) => key));
      return items.map(({ key }, i) => ({ key, value: textOf(results[i]!) }));
    },
    setItem: put,
    setItemRaw: put,
    async setItems(items, commonOptions) {
      const entries = items.map(({ key, value, options }) => {
        return { key, value, ...lifetime({ ...commonOptions, ...options }) };
      });
      const failed = (await (await home.get()).putMany(entries)).find(({ ok }) => !ok);
      if (failed?.ok === false) throw errorFrom(failed.error);
    },
    async removeItem(key) {
      await remove(await home.get(), key);
    },
    async getMeta(key) {
      const [item] = (await get(key)).siblings;
      if (item === undefined) return null;
      const { value, contentType, modifiedAtMs, expiresAtMs } = item;
      const meta = { mtime: new Date(modifiedAtMs), size: value.length, contentType };
      if (expiresAtMs === undefined) return meta;
      return { ...meta, ttl: Math.max(1, Math.ceil((expiresAtMs - Date.now()) / 1_000)) };
    },
    getKeys: async (base) => {
      const keys: string[] = [];
      for await (const { key, siblings } of (await home.get()).scan({ prefix: prefixOf(base) })) {
        if (siblings.length > 0) keys.push(decode(key));
      }
      return keys;
    },
    clear: async (base) => clear(await home.get(), prefixOf(base)),
    dispose: () => home.close(),
  };
}

interface ItemOptions {
  /** Seconds. */
  readonly ttl?: number;
}

function lifetime({ ttl }: ItemOptions = {}): { ttlMs?: number } {
  return ttl === undefined ? {} : { ttlMs: Math.ceil(ttl * 1_000) };
}

function textOf({ siblings: [item] }: GetResult): string | null {
  return item === undefined ? null : decode(item.value);
}

/** Views of buffers as bytes; strings and bytes are left alone, and anything else to the store, which refuses it. */
function bytesOf(value: unknown): Uint8Array | string {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value as string;
}

/** `a` and `a:` mean what is under `a`, not `ab`; unstorage says nothing, against its types, where it means everything. */
function prefixOf(base: string | undefined = ''): string {
  return base === '' || base.endsWith(':') ? base : `${base}:`;
}
