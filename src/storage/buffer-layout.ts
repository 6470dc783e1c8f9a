import { RingletError } from '../base/errors.js';
import { align } from '../base/memory.js';

/**
 * The object buffer of one virtual node: one SharedArrayBuffer, written by the owning thread only,
 * readable by every thread of the process.
 *
 *   header    words below; each published by Atomics.store, 64-bit counters low word first, so
 *             that a reader who meets a carry sees too little and never too much
 *   segments  SEGMENT_WORDS each
 *   index     two regions; the table in force is named by TABLE, the other is where the next is built
 *   data      segments of equal size; the first 64 bytes of each are its header (segment-header.ts)
 *   reads     a byte per 64 bytes of data, the record's that begins there: 1 once it was read, where a
 *             cache asks for that. Stored plainly by readers, and cleared by the owner: a read that is
 *             lost by that costs nothing but itself
 *
 * Append order, any prefix of which is harmless: record bytes → segment's USED → index slot → APPENDED.
 * Reclaim order: index slots to 0 → reader epoch raised → all readers past it → segment FREE.
 */
export const TABLE = 0;
export const LOG_SEGMENT = 1;
export const CACHE_SEGMENT = 2;
export const APPENDED = 4;
export const WRITTEN = 6;
export const SYNCED = 8;
export const CONFIRMED = 10;
export const APPENDED_BYTES = 12;
export const WRITTEN_BYTES = 14;
export const SYNCED_BYTES = 16;
/** Milliseconds (monotonic, modulo 2^31) at which the oldest unwritten record was appended; 0: none. */
export const UNWRITTEN_SINCE = 18;
export const GENERATION = 19;
export const LIVE_KEYS = 20;
/** Two words: scans and what is read back open segments too, for years. */
export const NEXT_SERIAL = 22;
const HEADER_WORDS = 64;

export const SEG_STATE = 0;
export const SEG_SERIAL = 1;
/** Bytes used, header included. */
export const SEG_USED = 2;
/** Bytes of records that the index points at; exact in the memory engine only. */
export const SEG_LIVE = 3;
export const SEG_FIRST = 4;
export const SEG_RETIRED = 6;
export const SEG_SERIAL_HIGH = 7;
export const SEGMENT_WORDS = 8;

export const SEG_FREE = 0;
/** Records not yet in the engine (in the memory engine: all records). */
export const SEG_LOG = 1;
/** Everything in it is in the engine: may go at any time. */
export const SEG_CLEAN = 2;
/** No slot points into it; free once every reader has moved on. */
export const SEG_RETIRED_STATE = 3;

export const SEGMENT_HEADER_BYTES = 64;
export const MIN_SEGMENTS = 6;
const SLOT_BYTES = 8;
/** Records are longer than 64 bytes, but for those of keys that are removed. */
const CELL_BITS = 6;
export const MIN_TABLE_BITS = 10;

export interface BufferShape {
  readonly bytes: number;
  readonly segmentBytes: number;
  readonly segments: number;
  /** A table has at most 2^maxTableBits slots. */
  readonly maxTableBits: number;
}

/** Places are 32-bit arithmetic on bytes, and Node 20 has no longer views. */
const MOST_BUFFER_BYTES = 2 ** 32;

/** The largest record for values of so many bytes: all siblings together are at most twice a value. */
export function maxRecordBytes(valueBytes: number): number {
  return align(2 * valueBytes + (64 << 10), 8);
}

/**
 * Divides the memory of one virtual node. BAD_REQUEST when it is too small for the largest record, or more than
 * one buffer can hold.
 */
export function bufferShape(bytes: number, valueBytes: number): BufferShape {
  const least = align(maxRecordBytes(valueBytes) + SEGMENT_HEADER_BYTES, 64 << 10);
  const segmentBytes = Math.max(least, Math.min(4 << 20, align(Math.floor(bytes / 32), 64 << 10)));
  const segments = Math.floor(bytes / segmentBytes);
  if (segments < MIN_SEGMENTS) {
    throw new RingletError(
      'BAD_REQUEST',
      `an object buffer of ${(bytes / 1048576).toFixed(1)} MiB per virtual node is too small for values of ` +
        `${valueBytes} bytes: give at least ${Math.ceil((segmentBytes * MIN_SEGMENTS) / 1048576)} MiB per virtual node`,
      { bufferBytes: bytes, leastBytes: segmentBytes * MIN_SEGMENTS, valueBytes },
    );
  }
  const maxTableBits = Math.max(MIN_TABLE_BITS, Math.ceil(Math.log2((segments * segmentBytes) / 64)));
  const shape = { bytes: segments * segmentBytes, segmentBytes, segments, maxTableBits };
  const { totalBytes } = new BufferLayout(shape);
  if (totalBytes > MOST_BUFFER_BYTES) {
    throw new RingletError(
      'BAD_REQUEST',
      `an object buffer of ${(bytes / 1048576).toFixed(1)} MiB per virtual node takes ${Math.ceil(totalBytes / 1048576)} MiB ` +
        `with its index, and one has at most ${MOST_BUFFER_BYTES / 1048576}: share the memory among more virtual nodes, or give less`,
      { bufferBytes: bytes, totalBytes, mostBytes: MOST_BUFFER_BYTES },
    );
  }
  return shape;
}

export class BufferLayout {
  readonly shape: BufferShape;
  readonly totalBytes: number;
  private readonly indexAt: number;
  private readonly regionBytes: number;
  private readonly dataAt: number;
  /** Pieces of data so small that no two records begin in the same one, unless one says that its key is removed. */
  readonly cells: number;
  /** First byte of the reads, less the cell that a record at byte 0 would have. */
  readonly readsAt: number;

  constructor(shape: BufferShape) {
    this.shape = shape;
    this.indexAt = align((HEADER_WORDS + shape.segments * SEGMENT_WORDS) * 4, 4096);
    this.regionBytes = SLOT_BYTES * 2 ** shape.maxTableBits;
    this.dataAt = align(this.indexAt + 2 * this.regionBytes, 4096);
    const dataBytes = shape.segments * shape.segmentBytes;
    this.cells = dataBytes >>> CELL_BITS;
    this.readsAt = this.dataAt + dataBytes - (this.dataAt >>> CELL_BITS);
    this.totalBytes = this.dataAt + dataBytes + this.cells;
  }

  segmentWord(segment: number): number {
    return HEADER_WORDS + segment * SEGMENT_WORDS;
  }
  /** First word of an index region (0 or 1). */
  tableWord(region: number): number {
    return (this.indexAt + region * this.regionBytes) >>> 2;
  }
  segmentByte(segment: number): number {
    return this.dataAt + segment * this.shape.segmentBytes;
  }
  /** The byte that says whether the record at a word was read. */
  readByte(at: number): number {
    return this.readsAt + (at >>> (CELL_BITS - 2));
  }
  /** The cell of the record at a word. */
  cellOf(at: number): number {
    return (at >>> (CELL_BITS - 2)) - (this.dataAt >>> CELL_BITS);
  }
  segmentOf(byte: number): number {
    return Math.floor((byte - this.dataAt) / this.shape.segmentBytes);
  }
}

/** Stores a 53-bit counter, low word first (see above). REQUIRES: no other thread stores it. */
export function storeCounter(words: Int32Array, word: number, value: number): void {
  Atomics.store(words, word, value | 0);
  const high = Math.floor(value / 0x1_0000_0000);
  if (words[word + 1] !== high) Atomics.store(words, word + 1, high);
}

/** What this thread itself stored last, or a predecessor that is gone: no other writes here, so a plain read sees it. */
export function ownCounter(words: Int32Array, word: number): number {
  return words[word + 1]! * 0x1_0000_0000 + (words[word]! >>> 0);
}

export function loadCounter(words: Int32Array, word: number): number {
  const high = Atomics.load(words, word + 1);
  return high * 0x1_0000_0000 + (Atomics.load(words, word) >>> 0);
}
