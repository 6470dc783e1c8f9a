const NONE = -1;

/** The links of entries in queues: an entry, a small number, stands in at most one. Eight bytes per entry. */
export class Links {
  next = new Int32Array(0);
  previous = new Int32Array(0);

  /** Makes room for entries below `capacity`. */
  grow(capacity: number): void {
    const next = new Int32Array(capacity);
    const previous = new Int32Array(capacity);
    next.set(this.next);
    previous.set(this.previous);
    this.next = next;
    this.previous = previous;
  }
}

/** Entries first in, first out, with their bytes. */
export class Queue {
  private readonly links: Links;
  private newest = NONE;
  private last = NONE;
  count = 0;
  bytes = 0;

  constructor(links: Links) {
    this.links = links;
  }

  /** −1 if there is none. */
  get oldest(): number {
    return this.last;
  }

  add(entry: number, bytes: number): void {
    const { next, previous } = this.links;
    // `next` is the one that came after.
    next[entry] = NONE;
    previous[entry] = this.newest;
    if (this.newest === NONE) this.last = entry;
    else next[this.newest] = entry;
    this.newest = entry;
    this.count++;
    this.bytes += bytes;
  }

  /** REQUIRES: it stands here. */
  remove(entry: number, bytes: number): void {
    const { next, previous } = this.links;
    const after = next[entry]!;
    const before = previous[entry]!;
    if (after === NONE) this.newest = before;
    else previous[after] = before;
    if (before === NONE) this.last = after;
    else next[before] = after;
    this.count--;
    this.bytes -= bytes;
  }
}
