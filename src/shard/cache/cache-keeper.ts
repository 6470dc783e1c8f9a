import { mix } from '../../base/hash.js';
import { LIMITS } from '../../base/limits.js';
import { EntryTable } from '../../cache/entry-table.js';
import { type Entries, S3Fifo } from '../../cache/s3-fifo.js';
import type { IndexWatcher } from '../../cache/watcher.js';
import { keepsCopies } from '../../ring/live-ring.js';
import type { Pipeline } from '../../storage/pipeline.js';
import {
  bucketAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  W_CONTENT_CHECK,
  W_KEY_HASH,
} from '../../storage/record.js';
import { COUNT_EVICTED, GAUGE_CACHED, GAUGE_CACHED_KIB, type VnodeEnvironment } from '../environment.js';
import type { GuestActor, OwnActor } from '../guest-actor.js';
import { keyOfRecord } from '../key-name.js';
import { paddedWords } from '../../base/memory.js';
import type { Service } from '../service.js';
import { isSettled, type Lister } from '../storage-walk.js';

/** Evictions in one turn. */
const BUDGET = 512;
/** So much of a segment leaves at once where a store is full: then there is a segment worth compacting. */
const GIVEN_WAY = 0.125;
/** How long storage that has no room is left alone. */
const PAUSE_MS = 5;

interface Parts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly own: OwnActor;
  readonly guest: GuestActor;
}

/**
 * The caches of one virtual node: what of them is in its object buffer, and what leaves when it is more
 * than the limits allow. It holds exactly the entries of the index that belong to cache buckets; such
 * records stay in the buffer when their segment goes, so that each is in memory until it is evicted.
 *
 * An eviction lets the copy go, clock and all, like the reaping of a tombstone but without asking
 * anybody: a cache bucket has n = 1 and counts in no tree, so that there is nobody who could bring it
 * back (docs/decisions/0021).
 */
export class CacheKeeper implements Service, Lister, IndexWatcher {
  readonly frames = [];
  private readonly parts: Parts;
  private readonly table: EntryTable;
  private readonly entries: Entries;
  private readonly caches = new Map<number, S3Fifo>();
  private readonly kept: Float64Array;
  private bytes = 0;
  private published = -1;
  /** Of the partitions, those that this virtual node owns. */
  private share = 0;
  /** What a start finds in the engine is not in the buffer yet. */
  private unknown = true;

  constructor(parts: Parts) {
    this.parts = parts;
    const { buffer } = parts.pipeline;
    const { words, layout } = buffer;
    this.table = new EntryTable(layout.cells);
    this.kept = new Float64Array(layout.shape.segments);
    const place = (entry: number): number => this.table.placeOf(entry);
    this.entries = {
      links: this.table.links,
      wasRead: (entry) => buffer.wasRead(place(entry)),
      setUnread: (entry) => buffer.setRead(place(entry), false),
      bytesOf: (entry) => lengthAt(words, place(entry)),
      hashOf: (entry) => words[place(entry) + W_KEY_HASH]! ^ mix(bucketAt(words, place(entry))),
    };
    this.measureShare();
    buffer.index.visit(0, Number.POSITIVE_INFINITY, (byte) => this.linked(0, byte >>> 2));
    buffer.watcher = this;
  }

  /** Bytes that a bucket may have in the whole store; 0: it is no cache. */
  private limitOf(bucket: number): number {
    return this.parts.env.caches?.limitOf(bucket) ?? 0;
  }

  private measureShare(): void {
    const { ring, ordinal } = this.parts.env;
    let owned = 0;
    for (let partition = 0; partition < ring.partitions; partition++)
      if (keepsCopies(ring, partition, 1, ordinal)) owned++;
    this.share = owned / ring.partitions;
  }

  linked(before: number, at: number): void {
    const { buffer } = this.parts.pipeline;
    const { words, layout } = buffer;
    const bucket = bucketAt(words, at);
    if (this.limitOf(bucket) === 0) return;
    const entry = before === 0 ? -1 : this.entryOf(before);
    if (kindAt(words, at) === KIND_REMOVED) {
      if (entry >= 0) this.forget(entry, bucket);
      return;
    }
    if (entry < 0) {
      this.cacheOf(bucket).add(this.table.add(at, layout.cellOf(at)));
    } else {
      const moved = words[before + W_CONTENT_CHECK] === words[at + W_CONTENT_CHECK];
      // A put counts as a read; a record that the cleaner moves is as read as it was.
      buffer.setRead(at, !moved || buffer.wasRead(before));
      this.table.move(entry, layout.cellOf(before), at, layout.cellOf(at));
      this.cacheOf(bucket).resized(entry, lengthAt(words, at) - lengthAt(words, before));
      this.count(before, -1);
    }
    this.count(at, 1);
  }

  unlinked(at: number): void {
    const entry = this.entryOf(at);
    if (entry < 0) return;
    this.forget(entry, bucketAt(this.parts.pipeline.buffer.words, at));
    // In the engine it may still be.
    this.unknown = true;
  }

  /** A record that is none of a cache may begin in the same cell. */
  private entryOf(at: number): number {
    const entry = this.table.at(this.parts.pipeline.buffer.layout.cellOf(at));
    return entry >= 0 && this.table.placeOf(entry) === at ? entry : -1;
  }

  private forget(entry: number, bucket: number): void {
    const at = this.table.placeOf(entry);
    this.cacheOf(bucket).remove(entry, lengthAt(this.parts.pipeline.buffer.words, at));
    this.drop(entry, at);
  }

  /** It is in no queue any more. */
  private drop(entry: number, at: number): void {
    this.table.remove(entry, this.parts.pipeline.buffer.layout.cellOf(at));
    this.count(at, -1);
  }

  private count(at: number, sign: 1 | -1): void {
    const { words, layout } = this.parts.pipeline.buffer;
    const bytes = sign * lengthAt(words, at);
    this.bytes += bytes;
    const segment = layout.segmentOf(at * 4);
    this.kept[segment] = this.kept[segment]! + bytes;
  }

  private cacheOf(bucket: number): S3Fifo {
    let cache = this.caches.get(bucket);
    if (cache === undefined) this.caches.set(bucket, (cache = new S3Fifo(this.entries)));
    return cache;
  }

  keeps(at: number): boolean {
    return this.entryOf(at) >= 0;
  }
  keptIn(segment: number): number {
    return this.kept[segment]!;
  }
  get keepsAny(): boolean {
    return this.bytes > 0;
  }

  readonly receive = (): void => undefined;

  poll(nowMs: number): number {
    const done = this.shrink();
    this.publish();
    return done ? Number.POSITIVE_INFINITY : nowMs + PAUSE_MS;
  }

  /** Brings all within their limits; false if that has to go on in another turn. */
  private shrink(): boolean {
    let budget = BUDGET;
    for (const [bucket, cache] of this.caches) {
      const limit = this.limitOf(bucket) * this.share;
      while (cache.bytes > limit) if (budget-- <= 0 || !this.evictFrom(cache, limit)) return false;
    }
    const most = this.parts.env.caches?.vnodeBytes ?? 0;
    while (this.bytes > most) if (budget-- <= 0 || !this.evictLargest(this.bytes - most)) return false;
    return true;
  }

  /** Makes room for others where there is none, now or when asked again; false if there is nothing to evict. */
  giveWay(bytes: number): boolean {
    if (this.bytes === 0) return false;
    const { segmentBytes } = this.parts.pipeline.buffer.layout.shape;
    const until = this.bytes - Math.max(bytes, segmentBytes * GIVEN_WAY);
    // Where all that was looked at had been read, the next turn looks further.
    for (let left = BUDGET; left > 0 && this.bytes > until; left--)
      if (!this.evictLargest(this.bytes - until)) break;
    return true;
  }

  private evictLargest(bytes: number): boolean {
    let largest: S3Fifo | undefined;
    for (const cache of this.caches.values()) if (cache.bytes > (largest?.bytes ?? 0)) largest = cache;
    return largest !== undefined && this.evictFrom(largest, Math.max(0, largest.bytes - bytes));
  }

  private evictFrom(cache: S3Fifo, limit: number): boolean {
    const { env, pipeline, own, guest } = this.parts;
    if (!pipeline.mayRemove(LIMITS.keyBytes)) return false;
    const entry = cache.evict(limit);
    if (entry < 0) return false;
    const at = this.table.placeOf(entry);
    const { words } = pipeline.buffer;
    const name = keyOfRecord(words, at);
    own.forget(words, at);
    guest.forget(words, at);
    this.drop(entry, at);
    pipeline.remove(name, paddedWords(name.key), name.key);
    env.count(COUNT_EVICTED, 1);
    return true;
  }

  private publish(): void {
    if (this.bytes === this.published) return;
    this.published = this.bytes;
    let count = 0;
    for (const cache of this.caches.values()) count += cache.count;
    this.parts.env.gauge(GAUGE_CACHED, count);
    this.parts.env.gauge(GAUGE_CACHED_KIB, Math.ceil(this.bytes / 1024));
  }

  get wantsWalk(): boolean {
    return this.unknown;
  }
  walkBegins(): void {
    this.unknown = false;
  }

  /** What an earlier run left in the engine comes into the buffer; what does not fit is evicted. */
  visit(words: Int32Array, at: number): void {
    const { pipeline, own, guest, env } = this.parts;
    if (words === pipeline.buffer.words || this.limitOf(bucketAt(words, at)) === 0) return;
    const name = keyOfRecord(words, at);
    const keyWords = paddedWords(name.key);
    if (pipeline.buffer.find(name.hash, name.bucket, keyWords, name.key.length) !== 0) return;
    const fits = this.bytes + lengthAt(words, at) <= (env.caches?.vnodeBytes ?? 0);
    if (fits && pipeline.keep(words, at)) return;
    if (fits && pipeline.buffer.index.exhausted) {
      // It grows; another walk brings this one.
      this.unknown = true;
      return;
    }
    own.forget(words, at);
    guest.forget(words, at);
    if (pipeline.remove(name, keyWords, name.key) === 'ready') env.count(COUNT_EVICTED, 1);
    else this.unknown = true;
  }

  ringChanged(): void {
    this.measureShare();
    if (isSettled(this.parts.env.ring)) this.unknown = true;
  }
}
