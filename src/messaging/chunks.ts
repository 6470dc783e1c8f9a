import { LIMITS } from '../base/limits.js';
import { copyWords, Memory } from '../base/memory.js';

/**
 * A frame longer than a quarter of the ring travels as chunks on the same ring, in order:
 *
 *   word 0  length of this chunk in bytes      1  CHUNK_MARK
 *        2  length of the whole frame          3  offset of this chunk in it
 *        4… the bytes
 *
 * An ordinary frame's word 1 begins with a frame type, which is never CHUNK_MARK.
 */
export const CHUNK_MARK = -1;
export const CHUNK_HEADER_WORDS = 4;
/** The longest frame has a record of all siblings of the largest value, or a page that such a one has overrun. */
const MOST_BYTES = 4 * LIMITS.maxValueBytes;

export function isChunk(words: Int32Array, at: number): boolean {
  return words[at + 1] === CHUNK_MARK;
}

export function writeChunkHeader(words: Int32Array, at: number, wholeBytes: number, offset: number): void {
  words[at + 1] = CHUNK_MARK;
  words[at + 2] = wholeBytes;
  words[at + 3] = offset;
}

/**
 * Puts the chunks of one directed pair together. Chunks of one frame follow each other without
 * anything between, so whatever else arrives is from the successor of a sender that died halfway.
 */
export class Reassembly {
  private whole: Memory | undefined;
  private received = 0;

  add(words: Int32Array, at: number): Memory | undefined {
    const bytes = words[at]! - CHUNK_HEADER_WORDS * 4;
    const total = words[at + 2]!;
    const offset = words[at + 3]!;
    if (offset === 0 && total >= bytes && total <= MOST_BYTES) {
      this.whole = Memory.allocate(total);
      this.received = 0;
    }
    const { whole } = this;
    if (
      whole === undefined ||
      offset !== this.received ||
      total !== whole.bytes.length ||
      offset + bytes > total
    ) {
      // The rest of a frame whose beginning a dead receiver took.
      this.whole = undefined;
      return undefined;
    }
    copyWords(words, at + CHUNK_HEADER_WORDS, whole.words, offset >>> 2, bytes >>> 2);
    this.received += bytes;
    if (this.received < total) return undefined;
    this.whole = undefined;
    return whole;
  }

  /** Lets half a frame go, which may be several MiB. */
  discard(): void {
    this.whole = undefined;
  }
}
