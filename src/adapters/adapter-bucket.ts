import { RingletError } from '../base/errors.js';
import type { Bucket, GetResult, OpenOptions, Store } from '../client/api.js';
import { inBatches } from '../client/bounded.js';
import { checkKnown, known } from '../client/known-options.js';
import { bufferOf } from '../client/value-pool.js';

/**
 * Where an adapter keeps its data: in a bucket of a store that you have (`open()` or
 * `connect(handle)`), or of one that the adapter opens at its first use and closes at its end.
 * The last write wins there: a bucket that has another conflict rule is refused.
 */
export type AdapterTarget =
  | { readonly store: Store; readonly bucket?: string }
  | { readonly bucket: Bucket }
  | { readonly open: OpenOptions; readonly bucket?: string };

const TARGET = known<Record<'store' | 'bucket' | 'open', unknown>>('an adapter takes no', {
  store: true,
  bucket: true,
  open: true,
});

/** Deletions of one call under way at a time. */
export const WIDTH = 256;

/** The bucket behind an adapter, found at the first use since constructors cannot wait. */
export class AdapterBucket {
  private readonly target: AdapterTarget;
  private readonly name: string;
  private found: Promise<Bucket> | undefined;
  private owned: Promise<Store> | undefined;
  private closed = false;

  /**
   * @param name of the bucket if the target has none
   * @throws RingletError BAD_REQUEST
   */
  constructor(target: AdapterTarget, name: string) {
    if (!isTarget(target)) {
      throw new RingletError('BAD_REQUEST', 'an adapter takes { store }, { bucket } or { open: options }');
    }
    checkKnown(target, TARGET);
    this.target = target;
    this.name = name;
  }

  /** @throws RingletError BUCKET_MISMATCH, BAD_REQUEST, CLOSED, and what `open()` throws; the next call tries again */
  get(): Promise<Bucket> {
    this.found ??= this.find().catch((error: unknown) => {
      this.found = undefined;
      throw error;
    });
    return this.found;
  }

  private async find(): Promise<Bucket> {
    const { target } = this;
    if ('open' in target) return lastWriteWins(await this.openOwn(target.open), target.bucket ?? this.name);
    if ('store' in target) return lastWriteWins(target.store, target.bucket ?? this.name);
    const { conflict } = await target.bucket.properties();
    if (conflict === 'lww') return target.bucket;
    throw new RingletError(
      'BAD_REQUEST',
      `an adapter needs a bucket with conflict = lww; ${target.bucket.name} has ${conflict}`,
      { bucket: target.bucket.name, conflict },
    );
  }

  private openOwn(options: OpenOptions): Promise<Store> {
    if (this.closed) throw new RingletError('CLOSED', 'the adapter is closed');
    // Imported only here: a thread that connects by a handle needs nothing of what opens stores.
    this.owned ??= import('../host/open.js')
      .then(({ open }) => open(options))
      .catch((error: unknown) => {
        this.owned = undefined;
        throw error;
      });
    return this.owned;
  }

  /** Closes the store if it is the adapter's own. */
  async close(): Promise<void> {
    this.closed = true;
    const store = await this.owned?.catch(() => undefined);
    await store?.close();
  }
}

function isTarget(target: AdapterTarget | undefined): boolean {
  if (typeof target !== 'object' || target === null) return false;
  const given: object | undefined =
    'open' in target ? target.open : 'store' in target ? target.store : target.bucket;
  return typeof given === 'object';
}

/** Naming the rule makes the store refuse a bucket that was created with another one. */
function lastWriteWins(store: Store, name: string): Bucket {
  return store.bucket(name, { conflict: 'lww' });
}

/** Whether there was something to delete; a tombstone is left only where there was, or where owners are missing that may know. */
export async function remove(bucket: Bucket, key: string): Promise<boolean> {
  const { found, degraded } = await bucket.get(key);
  if (found || degraded) await bucket.delete(key);
  return found;
}

/** Deletes every key with the prefix that is there when it begins. */
export function clear(bucket: Bucket, prefix: string): Promise<void> {
  return inBatches(bucket.scan({ prefix }), WIDTH, ({ key }) => bucket.delete(key));
}

export function decode(bytes: Uint8Array): string {
  return bufferOf(bytes).toString();
}

/** A string where a string was put, bytes where bytes were. */
export function valueOf({ siblings: [newest] }: Pick<GetResult, 'siblings'>): string | Buffer | undefined {
  if (newest === undefined) return undefined;
  return newest.contentType.startsWith('text/') ? decode(newest.value) : bufferOf(newest.value);
}
