import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import { compareBytes } from '../shard/key-list.js';
import { compareClocks, decodeClock, encodeRecord, type StoredValue } from '../storage/record-codec.js';
import {
  bucketAt,
  keyAt,
  keyLengthAt,
  kindAt,
  lengthAt,
  partitionAt,
  sealHead,
  W_KEY_HASH,
} from '../storage/record.js';
import type { Clock } from '../versions/dvvs.js';
import type { Connection } from './connection.js';
import { mergeContributions } from './merge.js';
import type { ScanPage } from './request.js';
import { askPage } from './scan-page.js';

/** Records of one page of a virtual node; a page has at most 256 KiB, or one record. */
const PAGE_RECORDS = 1_000;
/** The first page waits until all that was written before is in the engine. */
const FIRST_PAGE_MS = 120_000;
const PAGE_MS = 60_000;
/** How long a virtual node that does not serve is waited for. */
const START_MS = 10_000;
const LOOK_MS = 50;
const NO_KEY = new Uint8Array(0);

export interface FullScanOptions {
  /** Conflict rule (RULE_…) of a bucket; undefined: the bucket is of no interest. */
  readonly ruleOf: (bucket: number) => number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told of copies that are damaged and left out. */
  readonly onDamaged: (copies: number) => void;
}

/**
 * Every record of the store once, in the order of partition, bucket and key: what all virtual nodes have
 * of a key, owners or not, merged as a get would merge it. Deletions, counters and times are kept.
 *
 * What was acknowledged before it began is in it, or superseded, REQUIRES: no virtual node lets a copy
 * go meanwhile (STORE_RETAINS), and the ring does not change.
 *
 * @param vnodes by ordinal; all members
 * @throws RingletError TIMEOUT when one of them does not answer for a minute or two, ABORTED, CLOSED
 */
export async function* scanEverything(
  connection: Connection,
  vnodes: readonly number[],
  options: FullScanOptions,
): AsyncGenerator<readonly Int32Array[], void> {
  await allServing(connection, vnodes);
  const sources = vnodes.map((vnode) => new Source(connection, vnode, options));
  const { partitions } = connection.view.ring;
  for (let partition = 0; partition < partitions; partition++) {
    for (const source of sources) source.begin(partition);
    for (;;) {
      await Promise.all(sources.map((source) => source.fill()));
      const batch = mergedBatch(sources, options);
      if (batch === undefined) break;
      if (batch.length > 0) yield batch;
    }
  }
}

/** A thread that was just replaced is worth waiting for. @throws RingletError TIMEOUT */
async function allServing(connection: Connection, vnodes: readonly number[]): Promise<void> {
  const untilMs = connection.clock.nowMs() + START_MS;
  for (;;) {
    connection.assertOpen();
    const absent = vnodes.find((vnode) => !connection.direct.isServing(vnode));
    if (absent === undefined) return;
    if (connection.clock.nowMs() > untilMs) throw unanswered(connection, absent);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function unanswered(connection: Connection, vnode: number, cause?: Error): RingletError {
  const { id } = connection.view.ring.vnodes[vnode]!;
  const message = `virtual node ${id} does not answer, and a backup needs every one; try again when it serves, or leave it out`;
  return new RingletError('TIMEOUT', message, { vnode: id }, cause === undefined ? {} : { cause });
}

/** Merges until a source has nothing at hand although there is more; undefined at the end of the partition. */
function mergedBatch(sources: readonly Source[], { ruleOf }: FullScanOptions): Int32Array[] | undefined {
  const batch: Int32Array[] = [];
  for (;;) {
    let first: Int32Array | undefined;
    let copies: Source[] = [];
    for (const source of sources) {
      const { head } = source;
      if (head === undefined) {
        if (source.more) return batch;
        continue;
      }
      const order = first === undefined ? -1 : comparePlaces(head, first);
      if (order > 0) continue;
      if (order < 0) copies = [];
      first = head;
      copies.push(source);
    }
    if (first === undefined) return batch.length > 0 ? batch : undefined;
    const records = copies.map((source) => source.take());
    const rule = ruleOf(bucketAt(first, 0));
    if (rule !== undefined) batch.push(merged(records, rule));
  }
}

function comparePlaces(a: Int32Array, b: Int32Array): number {
  return bucketAt(a, 0) - bucketAt(b, 0) || compareBytes(keyOf(a), keyOf(b));
}

/** The key of a record that begins its memory. */
function keyOf(record: Int32Array): Uint8Array {
  return new Uint8Array(record.buffer, record.byteOffset + keyAt(record, 0) * 4, keyLengthAt(record, 0));
}

/** One record of what several virtual nodes have, without what is a virtual node's own. */
function merged(records: readonly Int32Array[], rule: number): Int32Array {
  const [one, ...others] = records as [Int32Array, ...Int32Array[]];
  const alike = others.every(
    (other) => kindAt(other, 0) === kindAt(one, 0) && compareClocks(other, 0, one, 0) === 'equal',
  );
  const record = alike ? one : mergedRecord(records, rule);
  sealHead(record, 0, 0, 0, 0);
  return record;
}

function mergedRecord(records: readonly Int32Array[], rule: number): Int32Array {
  const [one] = records as [Int32Array];
  const copies = records.map((record, vnode) => ({ vnode, clock: clockOf(record), kind: kindAt(record, 0) }));
  const { clock, kind } = mergeContributions(copies, rule);
  const place = { hash: one[W_KEY_HASH]!, partition: partitionAt(one, 0), bucket: bucketAt(one, 0) };
  const { words } = encodeRecord(place, keyOf(one), kind, clock!);
  return words.slice(0, lengthAt(words, 0) >>> 2);
}

function clockOf(record: Int32Array): Clock<StoredValue> {
  return decodeClock(record, new Uint8Array(record.buffer, record.byteOffset), 0);
}

/** What one virtual node has of a partition, page by page; the next page is asked for while one is used. */
class Source {
  readonly #connection: Connection;
  readonly #vnode: number;
  readonly #options: FullScanOptions;
  #partition = 0;
  #records: readonly Int32Array[] = [];
  #next = 0;
  #coming: Promise<ScanPage> | undefined;
  #settled = false;

  constructor(connection: Connection, vnode: number, options: FullScanOptions) {
    this.#connection = connection;
    this.#vnode = vnode;
    this.#options = options;
  }

  begin(partition: number): void {
    this.#partition = partition;
    this.#ask(0, NO_KEY);
  }

  /** The record at hand. */
  get head(): Int32Array | undefined {
    return this.#records[this.#next];
  }
  get more(): boolean {
    return this.#coming !== undefined;
  }
  take(): Int32Array {
    return this.#records[this.#next++]!;
  }

  /** Has a record at hand afterwards, unless there are no more. */
  async fill(): Promise<void> {
    while (this.head === undefined && this.#coming !== undefined) {
      const { records, more, damaged } = await this.#coming;
      this.#coming = undefined;
      this.#records = records;
      this.#next = 0;
      if (damaged > 0) this.#options.onDamaged(damaged);
      const last = records.at(-1);
      if (more && last !== undefined) this.#ask(bucketAt(last, 0), keyOf(last));
    }
  }

  #ask(bucket: number, after: Uint8Array): void {
    this.#coming = this.#page(bucket, after);
    // Whoever waits for another source hears of this one later.
    this.#coming.catch(() => undefined);
    this.#settled = true;
  }

  async #page(bucket: number, after: Uint8Array): Promise<ScanPage> {
    const connection = this.#connection;
    const vnode = this.#vnode;
    const settled = this.#settled;
    const { signal } = this.#options;
    if (signal?.aborted === true) throw backupAborted();
    connection.assertOpen();
    const place = { vnode, bucket, partition: this.#partition, after, limit: PAGE_RECORDS };
    const wanted = { ...place, settled, every: true, timeoutMs: settled ? PAGE_MS : FIRST_PAGE_MS };
    try {
      const page = await askPage(connection, wanted, signal, backupAborted);
      assert(page !== 'elsewhere', 'a page for a backup is of one virtual node');
      return page;
    } catch (error) {
      const isLate = error instanceof RingletError && error.code === 'TIMEOUT';
      throw isLate ? unanswered(connection, vnode, error) : error;
    }
  }
}

function backupAborted(): RingletError {
  return new RingletError('ABORTED', 'the backup was aborted by its signal');
}
