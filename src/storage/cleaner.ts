import {
  CACHE_SEGMENT,
  LOG_SEGMENT,
  SEG_CLEAN,
  SEG_FREE,
  SEG_LOG,
  SEG_RETIRED_STATE,
  SEGMENT_HEADER_BYTES,
} from './buffer-layout.js';
import type { ObjectBuffer } from './object-buffer.js';
import { keyAt, lengthAt } from './record.js';

/** Records per turn. */
const BUDGET = 1_024;
/** A segment with more live bytes than this is not worth moving, unless there is next to nothing else left. */
const WORTHWHILE = 0.95;

/**
 * Makes free segments, a slice per turn. With an engine behind it: the oldest clean segment is
 * evicted, its records are in the engine; those of caches move to the head of the cache. Without one the buffer is the store: the emptiest log
 * segment is compacted, its live records move to the head of the log.
 */
export class Cleaner {
  /** Free segments that only compaction may use. */
  static readonly reserve = 2;
  private readonly buffer: ObjectBuffer;
  private readonly compacts: boolean;
  private victim = -1;
  private cursor = 0;

  constructor(buffer: ObjectBuffer, compacts: boolean) {
    this.buffer = buffer;
    this.compacts = compacts;
  }

  /** Free segments that only this takes, for records of caches that stay. */
  get owedSegments(): number {
    return !this.compacts && this.buffer.watcher?.keepsAny === true ? 1 : 0;
  }

  private get target(): number {
    return Math.max(Cleaner.reserve + 1, this.buffer.layout.shape.segments >>> 3);
  }

  private get wanted(): boolean {
    // Segments full of removed keys fill the index before there are few that are free.
    if (!this.compacts && this.buffer.index.crowded) return true;
    return this.buffer.count(SEG_FREE) + this.buffer.count(SEG_RETIRED_STATE) < this.target;
  }

  get busy(): boolean {
    return this.victim >= 0;
  }

  /** Whether waiting for room makes sense: something is being freed, or can be. */
  get hopeful(): boolean {
    return this.busy || this.buffer.count(SEG_RETIRED_STATE) > 0 || this.choose() >= 0;
  }

  /**
   * Bytes at the head of the log that belong to the compaction under way. The last free segment may
   * be taken by it alone, or nothing could ever be freed again.
   */
  get owed(): number {
    if (!this.compacts || this.victim < 0 || this.buffer.count(SEG_FREE) > 0) return 0;
    return this.buffer.live(this.victim);
  }

  step(): void {
    if (this.victim < 0) {
      if (!this.wanted) return;
      const chosen = this.choose();
      if (chosen < 0 || !this.fits(chosen)) return;
      this.victim = chosen;
      // What a cache keeps would be moved to its own end, and go with it.
      if (chosen === this.buffer.segment(CACHE_SEGMENT)) this.buffer.seal(CACHE_SEGMENT);
      this.cursor = this.buffer.firstRecord(this.victim);
    }
    const { buffer } = this;
    const end = buffer.endOf(this.victim);
    for (let moved = 0; this.cursor < end && moved < BUDGET; moved++) {
      if (this.compacts) {
        if (buffer.isNewest(this.cursor) && !this.move(this.cursor, LOG_SEGMENT)) return;
      } else if (buffer.watcher?.keeps(this.cursor) === true) {
        // Without room it is in the engine alone, and comes back with the next read or walk.
        if (!this.move(this.cursor, CACHE_SEGMENT)) buffer.unlink(this.cursor);
      } else {
        buffer.unlink(this.cursor);
      }
      this.cursor += lengthAt(buffer.words, this.cursor) >>> 2;
    }
    if (this.cursor < end) return;
    buffer.retire(this.victim);
    this.victim = -1;
  }

  /** Whether what is live in a segment has somewhere to go. */
  private fits(segment: number): boolean {
    const { buffer } = this;
    return !this.compacts || buffer.count(SEG_FREE) > 0 || buffer.hasRoom(LOG_SEGMENT, buffer.live(segment));
  }

  private move(at: number, head: typeof LOG_SEGMENT | typeof CACHE_SEGMENT): boolean {
    const { buffer } = this;
    if (!buffer.hasRoom(head, lengthAt(buffer.words, at))) {
      buffer.seal(head);
      if (buffer.open(head) < 0) return false;
    }
    buffer.append(head, buffer.words, at, buffer.words.subarray(keyAt(buffer.words, at)));
    return true;
  }

  /** The oldest; one that is full of records that stay would be moved in vain. */
  private chooseClean(): number {
    const { watcher, layout } = this.buffer;
    const clean = this.buffer.segmentsIn(SEG_CLEAN);
    if (watcher?.keepsAny !== true) return clean[0] ?? -1;
    const most = WORTHWHILE * layout.shape.segmentBytes;
    return clean.find((s) => s !== this.buffer.segment(CACHE_SEGMENT) && watcher.keptIn(s) < most) ?? -1;
  }

  private choose(): number {
    const { buffer } = this;
    if (!this.compacts) return this.chooseClean();
    const open = buffer.segment(LOG_SEGMENT);
    let best = -1;
    const scarce = buffer.count(SEG_FREE) + buffer.count(SEG_RETIRED_STATE) < Cleaner.reserve;
    let least = scarce ? 1 : WORTHWHILE;
    for (const segment of buffer.segmentsIn(SEG_LOG)) {
      if (segment === open) continue;
      const full = buffer.used(segment) - SEGMENT_HEADER_BYTES || 1;
      const share = buffer.live(segment) / Math.max(full, buffer.layout.shape.segmentBytes / 2);
      if (share < least) {
        best = segment;
        least = share;
      }
    }
    return best;
  }
}
