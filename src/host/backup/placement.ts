import { KeyRouter } from '../../client/key-router.js';
import type { Ring } from '../../ring/ring.js';
import type { Engine } from '../../storage/engine.js';
import { openLmdbEngine } from '../../storage/lmdb-open.js';
import {
  bucketAt,
  keyAt,
  keyLengthAt,
  kindAt,
  lengthAt,
  partitionAt,
  sealHead,
  W_KEY_HASH,
} from '../../storage/record.js';
import { decodeClock, encodeRecord } from '../../storage/record-codec.js';
import type { StoredBucket } from '../bucket-list.js';
import type { DataDirectory } from '../data-directory.js';

/** What is written between two commits, all virtual nodes together. */
const COMMIT_BYTES = 16 << 20;

/** Puts records straight into the engines of a store that is not open, each at all owners of its partition. */
export class Placement {
  readonly #ring: Ring;
  readonly #router: KeyRouter;
  readonly #engines: readonly Engine[];
  readonly #replicas: ReadonlyMap<number, number>;
  /** Whether the records carry the partitions of this ring already. */
  readonly #same: boolean;
  #bytes = 0;
  copies = 0;

  private constructor(
    ring: Ring,
    engines: readonly Engine[],
    buckets: readonly StoredBucket[],
    partitions: number,
  ) {
    this.#ring = ring;
    this.#router = new KeyRouter(ring);
    this.#engines = engines;
    this.#replicas = new Map(buckets.map(({ number, properties }) => [number, properties.n]));
    this.#same = partitions === ring.partitions;
  }

  /** @param partitions those that the records were written with */
  static async open(
    { vnodes, storeId }: DataDirectory,
    ring: Ring,
    buckets: readonly StoredBucket[],
    partitions: number,
  ): Promise<Placement> {
    const engines: Engine[] = [];
    try {
      for (const { id } of ring.vnodes) {
        const { engineDirectory, nodeId, vnodeId } = vnodes.get(id)!;
        const identity = { storeId, nodeId, vnodeId };
        engines.push(await openLmdbEngine({ directory: engineDirectory, identity, mayCreate: true }));
      }
    } catch (error) {
      await Promise.all(engines.map((engine) => engine.close()));
      throw error;
    }
    return new Placement(ring, engines, buckets, partitions);
  }

  /** Resolves when there is room for more. @throws RingletError STORE_FULL, IO */
  async add(records: readonly Int32Array[]): Promise<void> {
    for (const record of records) this.#put(this.#same ? record : this.#replaced(record));
    if (this.#bytes >= COMMIT_BYTES) await this.#commit();
  }

  async close(): Promise<void> {
    try {
      await this.#commit();
    } finally {
      await Promise.all(this.#engines.map((engine) => engine.close()));
    }
  }

  #put(record: Int32Array): void {
    const { preference, preferenceLength } = this.#ring;
    const [partition, bucket] = [partitionAt(record, 0), bucketAt(record, 0)];
    const bytes = new Uint8Array(record.buffer, record.byteOffset, record.byteLength);
    const key = bytes.subarray(keyAt(record, 0) * 4, keyAt(record, 0) * 4 + keyLengthAt(record, 0));
    const n = this.#replicas.get(bucket) ?? 0;
    for (let i = 0; i < n; i++) {
      this.#engines[preference[partition * preferenceLength + i]!]!.put(partition, bucket, key, bytes);
      this.#bytes += bytes.length;
      this.copies++;
    }
  }

  /** The record under the partition that its key has among those of this ring. */
  #replaced(record: Int32Array): Int32Array {
    const bytes = new Uint8Array(record.buffer, record.byteOffset, record.byteLength);
    const start = keyAt(record, 0) * 4;
    const key = bytes.subarray(start, start + keyLengthAt(record, 0));
    this.#router.locatePart(bytes, start, start + key.length);
    const { partition } = this.#router;
    const place = { hash: record[W_KEY_HASH]!, partition, bucket: bucketAt(record, 0) };
    const { words } = encodeRecord(place, key, kindAt(record, 0), decodeClock(record, bytes, 0));
    sealHead(words, 0, 0, 0, 0);
    return words.slice(0, lengthAt(words, 0) >>> 2);
  }

  async #commit(): Promise<void> {
    this.#bytes = 0;
    const outcomes = this.#engines.map(
      (engine) =>
        new Promise<Error | undefined>((resolve) => {
          engine.commit({ generation: 0, confirmedSerial: 0 }, resolve);
        }),
    );
    const failed = (await Promise.all(outcomes)).find((error) => error !== undefined);
    if (failed !== undefined) throw failed;
  }
}
