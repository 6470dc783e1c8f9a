import { align, Memory } from '../base/memory.js';
import { Fifo } from './fifo.js';
import type { Outbox } from './transport.js';

export const BATCH_HEADER_BYTES = 8;
interface Batch {
  readonly memory: Memory;
  readonly usedBytes: number;
}

/** What goes to one peer over a port; the message format stands in port-endpoint.ts. */
export class PortOutbox implements Outbox {
  words: Int32Array;
  bytes: Uint8Array;
  private readonly windowBytes: number;
  /** Room for the frames of a turn: a quarter of the window. A longer frame gets a batch of its own. */
  private readonly batchBytes: number;
  private readonly full = new Fifo<Batch>();
  private open: Memory;
  private usedBytes = BATCH_HEADER_BYTES;
  private frameBytes = 0;
  private unpostedBytes = 0;
  private unhandledBytes = 0;

  constructor(windowBytes: number) {
    this.windowBytes = windowBytes;
    this.batchBytes = windowBytes >>> 2;
    this.open = Memory.allocate(this.batchBytes);
    this.words = this.open.words;
    this.bytes = this.open.bytes;
  }

  begin(frameBytes: number): number {
    this.frameBytes = align(frameBytes, 8);
    if (this.usedBytes + this.frameBytes > this.open.bytes.length) {
      if (this.usedBytes > BATCH_HEADER_BYTES)
        this.full.push({ memory: this.open, usedBytes: this.usedBytes });
      this.open = Memory.allocate(Math.max(this.batchBytes, BATCH_HEADER_BYTES + this.frameBytes));
      this.usedBytes = BATCH_HEADER_BYTES;
      this.words = this.open.words;
      this.bytes = this.open.bytes;
    }
    return this.usedBytes >>> 2;
  }

  end(): void {
    this.words[this.usedBytes >>> 2] = this.frameBytes;
    this.usedBytes += this.frameBytes;
    this.unpostedBytes += this.frameBytes;
  }

  /** What the credit at hand does not cover. */
  get waitingBytes(): number {
    return Math.max(0, this.unpostedBytes - Math.max(0, this.windowBytes - this.unhandledBytes));
  }

  /**
   * Anything may leave while less than the window is unhandled, also a frame longer than the
   * window: so at most the window and one batch are ever under way, and the receiver, who
   * acknowledges every quarter of a window, always reopens it.
   */
  private get hasCredit(): boolean {
    return this.unhandledBytes < this.windowBytes;
  }
  get blocked(): boolean {
    return this.unpostedBytes > 0 && !this.hasCredit;
  }
  get movable(): boolean {
    return this.unpostedBytes > 0 && this.hasCredit;
  }

  acknowledged(bytes: number): void {
    this.unhandledBytes -= bytes;
  }

  /** The next message, to be transferred. */
  takeBatch(handledBytes: number): ArrayBuffer {
    const batch = this.full.shift();
    const buffer = batch === undefined ? this.takeOpen() : (batch.memory.buffer as ArrayBuffer);
    const usedBytes = batch?.usedBytes ?? buffer.byteLength;
    const header = new Int32Array(buffer, 0, 2);
    header[0] = handledBytes;
    header[1] = usedBytes;
    this.unpostedBytes -= usedBytes - BATCH_HEADER_BYTES;
    this.unhandledBytes += usedBytes - BATCH_HEADER_BYTES;
    return buffer;
  }

  /** A copy of the size that is needed: most turns write little, and the batch is used again. */
  private takeOpen(): ArrayBuffer {
    const buffer = this.open.buffer as ArrayBuffer;
    const { usedBytes } = this;
    this.usedBytes = BATCH_HEADER_BYTES;
    if (buffer.byteLength === this.batchBytes) return buffer.slice(0, usedBytes);
    this.open = Memory.allocate(this.batchBytes);
    this.words = this.open.words;
    this.bytes = this.open.bytes;
    return buffer;
  }

  /** The receiver is gone, and with it what it had not handled. */
  forgetReceiver(): void {
    this.unhandledBytes = 0;
  }
}
