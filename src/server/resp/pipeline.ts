import { LIMITS } from '../../base/limits.js';
import type { ReplyWriter } from './reply-writer.js';

/**
 * Replies of requests that are under way at the same time, in the order of the requests. Each request
 * has a place, a number that only grows.
 */
export class Pipeline {
  /** Of the keys of the requests. */
  private hashes: number[] = [];
  /** Undefined while it is not there yet. */
  private replies: (Uint8Array | undefined)[] = [];
  /** Entries whose replies were written. */
  private head = 0;
  /** The place of entry 0. */
  private base = 0;
  /** Of replies that are there and wait for earlier ones. */
  heldBytes = 0;

  get size(): number {
    return this.hashes.length - this.head;
  }

  /** Place of the first request whose reply was not written. */
  get begin(): number {
    return this.base + this.head;
  }
  /** Place of the next request. */
  get end(): number {
    return this.base + this.hashes.length;
  }

  /** Whether a request for this key is under way: the next one for it must wait. */
  concerns(hash: number): boolean {
    const { hashes } = this;
    for (let i = this.head; i < hashes.length; i++) if (hashes[i] === hash) return true;
    return false;
  }

  /** A request for a key, which may have its reply already; returns its place. */
  add(hash: number, reply?: Uint8Array): number {
    this.replies.push(reply);
    if (reply !== undefined) this.heldBytes += reply.length;
    return this.base + this.hashes.push(hash) - 1;
  }

  answer(place: number, reply: Uint8Array): void {
    this.replies[place - this.base] = reply;
    this.heldBytes += reply.length;
  }

  /** Takes the last one back: its request did not begin. */
  withdraw(): void {
    this.hashes.pop();
    this.replies.pop();
  }

  /** Writes the replies that are complete up to the first one that is not, or until there is enough for a turn: then true. */
  writeTo(writer: ReplyWriter): boolean {
    const { hashes, replies } = this;
    let enough = false;
    for (; this.head < hashes.length; this.head++) {
      const reply = replies[this.head];
      if (reply === undefined) break;
      enough = writer.length > LIMITS.respTurnBytes;
      if (enough) break;
      writer.raw(reply);
      this.heldBytes -= reply.length;
      replies[this.head] = undefined;
    }
    if (this.head === hashes.length) {
      this.base += this.head;
      hashes.length = replies.length = this.head = 0;
    } else if (this.head > 1_024) {
      this.base += this.head;
      this.hashes = hashes.slice(this.head);
      this.replies = replies.slice(this.head);
      this.head = 0;
    }
    return enough;
  }
}
