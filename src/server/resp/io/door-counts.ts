/**
 * What the threads of one door count together, in shared memory. Each thread has a row that only it
 * writes, but for the thread that replaces it; a row has a cache line of its own:
 *
 *     word 0       connections that are open
 *     double 1…2   connections received, commands processed; a successor goes on counting
 *
 * and the head, a row before the first, has the number of the last connection in word 0.
 */
const ROW_BYTES = 64;
const OPEN = 0;
const RECEIVED = 1;
const PROCESSED = 2;

export class DoorCounts {
  readonly shared: SharedArrayBuffer;
  private readonly thread: number;
  private readonly words: Int32Array;
  private readonly doubles: Float64Array;

  /** @param thread of whoever counts here, from 0 */
  constructor(shared: SharedArrayBuffer, thread: number) {
    this.shared = shared;
    this.thread = thread;
    this.words = new Int32Array(shared);
    this.doubles = new Float64Array(shared);
  }

  /** For so many threads; the view is that of thread 0. */
  static create(threads: number): DoorCounts {
    return new DoorCounts(new SharedArrayBuffer((threads + 1) * ROW_BYTES), 0);
  }

  private word(thread: number): number {
    return ((thread + 1) * ROW_BYTES) / 4 + OPEN;
  }
  private double(thread: number, field: number): number {
    return ((thread + 1) * ROW_BYTES) / 8 + field;
  }
  private get threads(): number {
    return this.shared.byteLength / ROW_BYTES - 1;
  }

  /** Whether one more connection may be open; of two that come at once to the last place, neither may get it. */
  enter(limit: number): boolean {
    this.doubles[this.double(this.thread, RECEIVED)]!++;
    Atomics.add(this.words, this.word(this.thread), 1);
    if (this.open <= limit) return true;
    this.leave();
    return false;
  }
  leave(): void {
    Atomics.sub(this.words, this.word(this.thread), 1);
  }

  /** A thread has ended, and its connections with it. */
  ended(thread: number): void {
    Atomics.store(this.words, this.word(thread), 0);
  }

  /** A number that no other connection has had. */
  nextConnection(): number {
    return (Atomics.add(this.words, OPEN, 1) >>> 0) + 1;
  }

  processed(): void {
    this.doubles[this.double(this.thread, PROCESSED)]!++;
  }

  /** Connections that are open, over all threads. */
  get open(): number {
    let open = 0;
    for (let thread = 0; thread < this.threads; thread++) open += Atomics.load(this.words, this.word(thread));
    return open;
  }
  get connectionsReceived(): number {
    return this.sum(RECEIVED);
  }
  get commandsProcessed(): number {
    return this.sum(PROCESSED);
  }

  private sum(field: number): number {
    let sum = 0;
    for (let thread = 0; thread < this.threads; thread++) sum += this.doubles[this.double(thread, field)]!;
    return sum;
  }
}
