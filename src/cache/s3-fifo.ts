import { Ghosts } from './ghosts.js';
import { type Links, Queue } from './queue.js';

/** Of the bytes, for entries that have not proved themselves: at first, at least, at most. */
const SMALL_SHARE = 0.1;
const LEAST_SHARE = 0.01;
const MOST_SHARE = 0.9;
/** Entries that are looked at for one victim; more is left to the next call. */
const LOOKS = 1_024;
const SMALL = 0;
const MAIN = 1;

/** What the policy needs to know of entries, which are small numbers. */
export interface Entries {
  readonly links: Links;
  /** Whether it was read since this was last set to false. */
  wasRead(entry: number): boolean;
  setUnread(entry: number): void;
  bytesOf(entry: number): number;
  hashOf(entry: number): number;
}

/**
 * S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache eviction", SOSP 2023) with
 * a small queue that adapts. What is new comes into the *small* queue; what is read there goes on to *main*,
 * everything else leaves, and its hash is remembered as a *ghost*: if it comes again soon it goes into main
 * at once. The oldest of main is put back once if it was read. A scan passes through the small queue and
 * leaves main alone.
 *
 * How large the small queue may be, ghosts say: one of the small queue that comes again would have been a
 * hit in a larger one, one of main in a larger main. So while a hot set moves, recency gets more room.
 *
 * Reads move nothing: a read writes one byte, which may be in shared memory and anybody's. An entry costs
 * 9 bytes here, and 16 to 32 for ghosts.
 */
export class S3Fifo {
  private readonly entries: Entries;
  private readonly queues: readonly [Queue, Queue];
  private readonly ghosts: readonly [Ghosts, Ghosts] = [new Ghosts(), new Ghosts()];
  private queueOf = new Uint8Array(0);
  private share = SMALL_SHARE;

  constructor(entries: Entries) {
    this.entries = entries;
    this.queues = [new Queue(entries.links), new Queue(entries.links)];
  }

  get bytes(): number {
    return this.queues[SMALL].bytes + this.queues[MAIN].bytes;
  }
  get count(): number {
    return this.queues[SMALL].count + this.queues[MAIN].count;
  }

  add(entry: number): void {
    const { entries } = this;
    if (entry >= this.queueOf.length) {
      const queueOf = new Uint8Array(entries.links.next.length);
      queueOf.set(this.queueOf);
      this.queueOf = queueOf;
    }
    entries.setUnread(entry);
    this.put(entry, this.comesBack(entries.hashOf(entry)) ? MAIN : SMALL, entries.bytesOf(entry));
  }

  private comesBack(hash: number): boolean {
    const [small, main] = this.ghosts;
    const { count } = this;
    if (small.take(hash, count)) {
      this.adapt(Math.max(1, main.count / Math.max(1, small.count)));
      return true;
    }
    if (!main.take(hash, count)) return false;
    this.adapt(-Math.max(1, small.count / Math.max(1, main.count)));
    return true;
  }

  /** By so many entries. */
  private adapt(by: number): void {
    this.share = Math.min(MOST_SHARE, Math.max(LEAST_SHARE, this.share + by / Math.max(1, this.count)));
  }

  private put(entry: number, queue: typeof SMALL | typeof MAIN, bytes: number): void {
    this.queueOf[entry] = queue;
    this.queues[queue].add(entry, bytes);
  }

  private queue(entry: number): Queue {
    return this.queues[this.queueOf[entry] === SMALL ? SMALL : MAIN];
  }

  /** It is gone by itself; `bytes` as it has been since it was added, or {@link resized}. */
  remove(entry: number, bytes: number): void {
    this.queue(entry).remove(entry, bytes);
  }

  /** It has another length now; it keeps its place. */
  resized(entry: number, by: number): void {
    this.queue(entry).bytes += by;
  }

  /**
   * The entry that is to leave so that the others have at most `limit` bytes; −1 if none has to, or if this
   * took too many looks: then the next call goes on. It is in no queue any more.
   */
  evict(limit: number): number {
    const [small, main] = this.queues;
    for (let looks = 0; looks < LOOKS && this.bytes > limit && this.count > 0; looks++) {
      const fromSmall = small.count > 0 && (small.bytes > limit * this.share || main.count === 0);
      const victim = this.leave(fromSmall ? SMALL : MAIN);
      if (victim >= 0) return victim;
    }
    return -1;
  }

  /** The oldest of a queue, unless it was read: then it has a place in main. */
  private leave(from: typeof SMALL | typeof MAIN): number {
    const { entries } = this;
    const queue = this.queues[from];
    const entry = queue.oldest;
    const bytes = entries.bytesOf(entry);
    queue.remove(entry, bytes);
    if (entries.wasRead(entry)) {
      entries.setUnread(entry);
      this.put(entry, MAIN, bytes);
      return -1;
    }
    this.ghosts[from].add(entries.hashOf(entry), this.count + 1);
    return entry;
  }
}
