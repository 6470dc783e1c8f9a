import type { ReplyWriter } from './reply-writer.js';

/** A reply that is not there yet, or that waits for those before it. */
export interface Slot {
  /** Of the key of its request. */
  readonly hash: number;
  reply: Uint8Array | undefined;
}

/** Replies of requests that are under way at the same time, in the order of the requests. */
export class Pipeline {
  private slots: Slot[] = [];
  private head = 0;

  get size(): number {
    return this.slots.length - this.head;
  }

  /** Whether a request for this key is under way: the next one for it must wait. */
  concerns(hash: number): boolean {
    const { slots } = this;
    for (let i = this.head; i < slots.length; i++) if (slots[i]!.hash === hash) return true;
    return false;
  }

  add(hash: number): Slot {
    const slot: Slot = { hash, reply: undefined };
    this.slots.push(slot);
    return slot;
  }

  /** Takes the last one back: its request did not begin. */
  withdraw(): void {
    this.slots.pop();
  }

  /** Writes the replies that are complete up to the first one that is not. */
  writeTo(writer: ReplyWriter): void {
    const { slots } = this;
    for (; this.head < slots.length; this.head++) {
      const { reply } = slots[this.head]!;
      if (reply === undefined) break;
      writer.raw(reply);
    }
    if (this.head === slots.length) {
      slots.length = this.head = 0;
    } else if (this.head > 1_024) {
      this.slots = slots.slice(this.head);
      this.head = 0;
    }
  }
}
