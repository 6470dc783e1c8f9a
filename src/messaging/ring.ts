import { Memory } from '../base/memory.js';
import { RING_HEADER_BYTES } from './layout.js';

/**
 * A ring buffer in shared memory, one producer and one consumer.
 *
 * Header words, each in a cache line of its own where two threads write:
 *
 *   W  write  (word 0)   producer: bytes published so far, modulo 2^32
 *   P  parked (word 1)   producer sets 1 when the ring is full; consumer clears it and rings the producer
 *   F  free   (word 16)  consumer: bytes whose space may be reused
 *   R  read   (word 32)  consumer: bytes taken, stored *before* the frame is handled
 *
 * Producer: writes a frame's words, and only then, once per turn, `Atomics.store(W)`. A producer
 * that dies earlier leaves bytes that nobody will look at.
 * Consumer: loads W, and for each frame stores R past it, handles it in place, and at the end of
 * the turn stores F = R. R exists for the consumer that dies while it handles a frame: its
 * successor continues at R and sets F = R, so a frame that kills its reader is met only once.
 * F is what the producer looks at, so a frame in progress is never overwritten.
 *
 * A frame begins at a multiple of 8 with its length in bytes; a negative length is padding up to
 * the end of the buffer. Frames are never split at the end.
 */
const WRITE = 0;
const PARKED = 1;
const FREE = 16;
const READ = 32;

/** Bytes that are published and not taken yet, for whoever looks from outside. */
export function waitingBytes(buffer: SharedArrayBuffer, byteOffset: number): number {
  const header = new Int32Array(buffer, byteOffset, RING_HEADER_BYTES / 4);
  return Math.max(0, (Atomics.load(header, WRITE) - Atomics.load(header, READ)) | 0);
}

abstract class RingEnd {
  protected readonly header: Int32Array;
  /** The data words of the ring. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  protected readonly mask: number;
  readonly capacity: number;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    this.header = new Int32Array(buffer, byteOffset, RING_HEADER_BYTES / 4);
    const data = new Memory(buffer, byteOffset + RING_HEADER_BYTES, capacity);
    this.words = data.words;
    this.bytes = data.bytes;
    this.mask = capacity - 1;
    this.capacity = capacity;
  }
}

export class RingProducer extends RingEnd {
  private write: number;
  private published: number;
  private free: number;
  private reserved = 0;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    super(buffer, byteOffset, capacity);
    this.write = Atomics.load(this.header, WRITE);
    this.published = this.write;
    this.free = Atomics.load(this.header, FREE);
  }

  /** The longest frame that always fits into an empty ring. */
  get maxFrameBytes(): number {
    return this.capacity >>> 2;
  }

  /** Room for a frame of so many bytes (a multiple of 8): its word in `words`, or −1 when the ring is full. */
  reserve(bytes: number): number {
    const at = this.write & this.mask;
    const tail = this.capacity - at;
    const need = bytes <= tail ? bytes : tail + bytes;
    // What is known to be free stays free: the consumer is asked only when that is used up.
    if (((this.write - this.free) | 0) + need > this.capacity) {
      this.free = Atomics.load(this.header, FREE);
      if (((this.write - this.free) | 0) + need > this.capacity) return -1;
    }
    if (bytes > tail) {
      this.words[at >>> 2] = -tail;
      this.write = (this.write + tail) | 0;
      this.reserved = bytes;
      return 0;
    }
    this.reserved = bytes;
    return at >>> 2;
  }

  /** Ends the frame that `reserve` began; the length word is written here. */
  append(word: number): void {
    this.words[word] = this.reserved;
    this.write = (this.write + this.reserved) | 0;
  }

  get unpublished(): boolean {
    return this.write !== this.published;
  }

  publish(): void {
    Atomics.store(this.header, WRITE, this.write);
    this.published = this.write;
  }

  /** Asks the consumer to ring us when it has freed space. Look at the ring again after it. */
  park(): void {
    Atomics.store(this.header, PARKED, 1);
  }

  /** The consumer has not freed anything since {@link park}. */
  get parked(): boolean {
    return Atomics.load(this.header, PARKED) === 1;
  }
}

/** Takes a frame where it stands, from its first word. */
export type RingHandler = (words: Int32Array, bytes: Uint8Array, at: number) => void;

export class RingConsumer extends RingEnd {
  private read: number;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    super(buffer, byteOffset, capacity);
    this.read = Atomics.load(this.header, READ);
    Atomics.store(this.header, FREE, this.read);
  }

  /** Forgets everything that was published: a new caller in an old slot. */
  skipAll(): void {
    this.read = Atomics.load(this.header, WRITE);
    this.header[READ] = this.read;
    Atomics.store(this.header, FREE, this.read);
  }

  get empty(): boolean {
    return Atomics.load(this.header, WRITE) === this.read;
  }

  /**
   * As {@link empty}, but cheap, and what was published a moment ago may still be missed: for a look in
   * passing. Once {@link empty} has seen something, this sees it too.
   */
  get seemsEmpty(): boolean {
    return this.header[WRITE] === this.read;
  }

  /**
   * Hands at most `budget` frames to `handle`, in place, and frees their space. Returns how many; it stops
   * after a quarter of the ring, so that the producer need not wait for the whole of it.
   */
  drain(budget: number, handle: RingHandler): number {
    const write = Atomics.load(this.header, WRITE);
    const until = this.read + (this.capacity >>> 2);
    let count = 0;
    try {
      while (this.read !== write && count < budget && ((until - this.read) | 0) > 0) {
        const at = (this.read & this.mask) >>> 2;
        const length = this.words[at]!;
        if (length < 0) {
          this.read = (this.read - length) | 0;
          continue;
        }
        this.read = (this.read + length) | 0;
        this.header[READ] = this.read;
        count++;
        handle(this.words, this.bytes, at);
      }
    } finally {
      this.header[READ] = this.read;
      Atomics.store(this.header, FREE, this.read);
    }
    return count;
  }

  /** Whether the producer waits for space; clears the wish. */
  takeParked(): boolean {
    return Atomics.load(this.header, PARKED) === 1 && Atomics.exchange(this.header, PARKED, 0) === 1;
  }
}
