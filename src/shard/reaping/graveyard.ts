import { LIMITS } from '../../base/limits.js';
import { bucketAt, keyAt, keyLengthAt, partitionAt, W_KEY_HASH } from '../../storage/record.js';
import type { Place } from '../../storage/record-codec.js';

/** How long a tombstone is left alone before it is tried to reap it, and between two tries. */
const PAUSE_MS = 1_000;

export interface Buried extends Place {
  readonly key: Uint8Array;
}

interface Grave {
  readonly hash: number;
  readonly partition: number;
  readonly dueMs: number;
}

/**
 * The keys whose tombstones a virtual node waits to reap, oldest first. It has a limit: beyond it
 * keys are missed, and a later walk over the storage finds them.
 */
export class Graveyard {
  /** Bucket and key (as latin1) → the rest; in the order of their due times. */
  private readonly graves = new Map<string, Grave>();
  /** There are tombstones that are not listed here. */
  missed = false;

  get size(): number {
    return this.graves.size;
  }

  add(words: Int32Array, at: number, nowMs: number): void {
    const start = words.byteOffset + keyAt(words, at) * 4;
    const key = Buffer.from(words.buffer, start, keyLengthAt(words, at));
    const place = {
      hash: words[at + W_KEY_HASH]!,
      partition: partitionAt(words, at),
      bucket: bucketAt(words, at),
    };
    this.put({ ...place, key }, nowMs);
  }

  put({ hash, partition, bucket, key }: Buried, nowMs: number): void {
    const name = nameOf(bucket, key);
    if (this.graves.has(name)) return;
    if (this.graves.size >= LIMITS.tombstones) {
      this.missed = true;
      return;
    }
    this.graves.set(name, { hash, partition, dueMs: nowMs + PAUSE_MS });
  }

  /** When the next one is due. */
  get nextMs(): number {
    for (const { dueMs } of this.graves.values()) return dueMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Takes the oldest one that is due. */
  take(nowMs: number): Buried | undefined {
    for (const [name, { hash, partition, dueMs }] of this.graves) {
      if (dueMs > nowMs) return undefined;
      this.graves.delete(name);
      const bytes = Buffer.from(name, 'latin1');
      return { hash, partition, bucket: bytes.readUInt16LE(0), key: Uint8Array.from(bytes.subarray(2)) };
    }
    return undefined;
  }
}

function nameOf(bucket: number, key: Uint8Array): string {
  const name = Buffer.allocUnsafe(2 + key.length);
  name.writeUInt16LE(bucket, 0);
  name.set(key, 2);
  return name.toString('latin1');
}
