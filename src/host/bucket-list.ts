import { join } from 'node:path';
import { RingletError } from '../base/errors.js';
import type { BucketProperties } from '../client/api.js';
import { readSealed, writeSealed } from './durable-file.js';

/** A bucket as it is kept: number and name never change, the properties count versions. */
export interface StoredBucket {
  readonly number: number;
  readonly name: string;
  readonly properties: BucketProperties;
  readonly version: number;
}

/** @throws RingletError BAD_REQUEST where a bucket has more replicas than there are, or are to be, nodes */
export function assertReplicas(
  buckets: readonly Pick<StoredBucket, 'name' | 'properties'>[],
  nodes: number,
): void {
  for (const { name, properties } of buckets) {
    const { n } = properties;
    if (n <= nodes) continue;
    throw new RingletError(
      'BAD_REQUEST',
      `bucket ${name} has n = ${n}, more than ${nodes} nodes can hold; ask for ${n} nodes or more`,
      { bucket: name, n, nodes },
    );
  }
}

export const BUCKETS_FILE = 'buckets.json';
const FORMAT = 1;

interface BucketsFile {
  readonly format: number;
  readonly storeId: string;
  /** Counts the lists; missing in those of earlier versions: 0. */
  readonly revision?: number;
  readonly buckets: readonly StoredBucket[];
}

/**
 * The buckets of a store, one copy in the data directory and one with every node. The newest list in any
 * readable copy counts: what only older ones have was refused, when not all copies could be written, and its
 * number may be another bucket's by now. Without a readable copy the store is not opened, since the numbers
 * in its keys would mean nothing.
 */
export class BucketList {
  #paths: string[];
  readonly #storeId: string;
  #buckets: readonly StoredBucket[];
  /** Of the list that was written last, be it to one copy. */
  #revision: number;
  /** Whether all copies hold exactly this list. */
  #even: boolean;

  private constructor(
    paths: readonly string[],
    storeId: string,
    buckets: readonly StoredBucket[],
    revision: number,
    even: boolean,
  ) {
    this.#paths = [...paths];
    this.#storeId = storeId;
    this.#buckets = buckets;
    this.#revision = revision;
    this.#even = even;
  }

  /**
   * Reads all copies and changes nothing.
   * @param mayCreate the store has never served, so that no bucket can be lost
   * @throws RingletError DATA_CORRUPT
   */
  static open(directories: readonly string[], storeId: string, mayCreate: boolean): BucketList {
    const paths = directories.map((directory) => join(directory, BUCKETS_FILE));
    const copies: BucketsFile[] = [];
    for (const path of paths) {
      const file = readSealed<BucketsFile>(path, FORMAT);
      if (file.kind === 'ok' && file.value.storeId === storeId) copies.push(file.value);
    }
    if (copies.length === 0 && !mayCreate) {
      throw new RingletError(
        'DATA_CORRUPT',
        `none of the ${paths.length} copies of ${BUCKETS_FILE} can be read; restore ${paths[0]} from a backup`,
        { path: paths[0] ?? '', copies: paths.length },
      );
    }
    const revision = Math.max(0, ...copies.map(revisionOf));
    const newest = copies.filter((copy) => revisionOf(copy) === revision);
    const merged = mergeBuckets(newest, paths[0] ?? '');
    const text = JSON.stringify(merged);
    const even =
      newest.length === paths.length && newest.every(({ buckets }) => JSON.stringify(buckets) === text);
    return new BucketList(paths, storeId, merged, revision, even);
  }

  load(): readonly StoredBucket[] {
    return this.#buckets;
  }

  /** Writes a new list to all copies. @throws RingletError IO, STORE_FULL; some copies may be new then */
  save(buckets: readonly StoredBucket[]): void {
    this.#even = false;
    this.#buckets = [...buckets].sort((a, b) => a.number - b.number);
    // Also after a failure: no two lists have the same.
    const revision = ++this.#revision;
    const file: BucketsFile = { format: FORMAT, storeId: this.#storeId, revision, buckets: this.#buckets };
    for (const path of this.#paths) writeSealed(path, file);
    this.#even = true;
  }

  /** A node has come; it gets a copy. @throws RingletError IO, STORE_FULL */
  addCopy(directory: string): void {
    this.#paths.push(join(directory, BUCKETS_FILE));
    this.save(this.#buckets);
  }

  /** A node is gone, and its copy with it. */
  dropCopy(directory: string): void {
    this.#paths = this.#paths.filter((path) => path !== join(directory, BUCKETS_FILE));
  }

  /** Writes all copies anew when one was missing, damaged or old. */
  heal(): void {
    if (!this.#even) this.save(this.#buckets);
  }
}

function revisionOf({ revision = 0 }: BucketsFile): number {
  return revision;
}

/** Those of earlier versions, which do not count their lists, may differ: each bucket's newest version counts. */
function mergeBuckets(copies: readonly BucketsFile[], path: string): readonly StoredBucket[] {
  const newest = new Map<number, StoredBucket>();
  for (const bucket of copies.flatMap(({ buckets }) => buckets)) {
    const other = newest.get(bucket.number);
    if (other !== undefined && other.name !== bucket.name) {
      throw new RingletError(
        'DATA_CORRUPT',
        `bucket ${bucket.number} is "${other.name}" in one copy of ${BUCKETS_FILE} and "${bucket.name}" in ` +
          'another; restore the data directory from a backup',
        { path, number: bucket.number, name: other.name, otherName: bucket.name },
      );
    }
    if (other === undefined || other.version < bucket.version) newest.set(bucket.number, bucket);
  }
  return [...newest.values()].sort((a, b) => a.number - b.number);
}
