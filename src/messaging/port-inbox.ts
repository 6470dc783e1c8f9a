import { Memory } from '../base/memory.js';
import { Fifo } from './fifo.js';
import { BATCH_HEADER_BYTES } from './port-outbox.js';
import type { FrameHandler } from './transport.js';

interface Arrived {
  readonly memory: Memory;
  readonly endWord: number;
  nextWord: number;
}

/** What has arrived from one peer over a port and has not been handled; bounded by the peer's credit. */
export class PortInbox {
  private readonly batches = new Fifo<Arrived>();
  /** Bytes of frames handled that the peer has not been told of. */
  handledBytes = 0;
  /** The first so many batches are a dead sender's: nobody is told of them. */
  private orphans = 0;

  /** Returns how much of what we sent the peer has handled. */
  add(message: ArrayBuffer): number {
    const memory = new Memory(message);
    const endWord = memory.words[1]! >>> 2;
    this.batches.push({ memory, endWord, nextWord: BATCH_HEADER_BYTES >>> 2 });
    return memory.words[0]!;
  }

  get empty(): boolean {
    return this.batches.length === 0;
  }

  /** Hands at most `budget` frames over. Returns how many. */
  drain(budget: number, from: number, handle: FrameHandler): number {
    let count = 0;
    for (let batch = this.batches.first; batch !== undefined && count < budget; batch = this.batches.first) {
      const { memory, nextWord } = batch;
      const bytes = memory.words[nextWord]!;
      // Moved on before the frame is handled: one that throws is not met again.
      batch.nextWord += bytes >>> 2;
      if (this.orphans === 0) this.handledBytes += bytes;
      if (batch.nextWord >= batch.endWord) this.drop();
      count++;
      handle(from, memory.words, memory.bytes, nextWord);
    }
    return count;
  }

  private drop(): void {
    this.batches.shift();
    if (this.orphans > 0) this.orphans--;
  }

  takeHandled(): number {
    const { handledBytes } = this;
    this.handledBytes = 0;
    return handledBytes;
  }

  forgetSender(): void {
    this.handledBytes = 0;
    this.orphans = this.batches.length;
  }
}
