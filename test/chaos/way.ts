import { HttpTarget } from '../../src/cli/http-target.js';
import type { Bucket, Context, Store } from '../../src/client/api.js';

export interface Read {
  readonly values: readonly string[];
  readonly context: Context | string | undefined;
  readonly degraded: boolean;
}

/** How a client reaches the store. */
export interface Way {
  readonly name: 'library' | 'HTTP';
  get(bucket: string, key: string): Promise<Read>;
  put(bucket: string, key: string, value: string, context: Read['context']): Promise<unknown>;
  delete(bucket: string, key: string, context: Read['context']): Promise<unknown>;
  increment: ((bucket: string, key: string, by: number) => Promise<number>) | undefined;
}

export function throughLibrary(store: Store): Way {
  const buckets = new Map<string, Bucket>();
  const of = (name: string): Bucket => {
    const bucket = buckets.get(name) ?? store.bucket(name);
    buckets.set(name, bucket);
    return bucket;
  };
  return {
    name: 'library',
    async get(bucket, key) {
      const { siblings, context, degraded } = await of(bucket).get(key);
      return { values: siblings.map(({ value }) => Buffer.from(value).toString()), context, degraded };
    },
    put: (bucket, key, value, context) =>
      of(bucket).put(key, value, context === undefined ? {} : { context }),
    delete: (bucket, key, context) => of(bucket).delete(key, context === undefined ? {} : { context }),
    increment: (bucket, key, by) => of(bucket).increment(key, by),
  };
}

export function throughHttp(address: string): Way & { close(): Promise<void> } {
  const target = new HttpTarget(address);
  const withContext = (context: Read['context']): { context?: string } =>
    context === undefined ? {} : { context: String(context) };
  return {
    name: 'HTTP',
    async get(bucket, key) {
      const { siblings, context, degraded } = await target.get(bucket, key);
      return { values: siblings.map(({ value }) => Buffer.from(value).toString()), context, degraded };
    },
    put: (bucket, key, value, context) =>
      target.put(bucket, key, Buffer.from(value), { ...withContext(context), contentType: 'text/plain' }),
    delete: (bucket, key, context) => target.delete(bucket, key, withContext(context)),
    increment: undefined,
    close: () => target.close(),
  };
}
