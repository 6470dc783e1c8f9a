import { RingletError } from '../base/errors.js';
import { CACHE_SEGMENT, SEG_FREE, SEGMENT_HEADER_BYTES } from './buffer-layout.js';
import type { Cleaner } from './cleaner.js';
import type { Engine } from './engine.js';
import type { ObjectBuffer } from './object-buffer.js';
import { aligned, keyAt, lengthAt, verifyRecord } from './record.js';

/** Copies of records of the engine in the object buffer, so that the next reader needs no message. */
export class ReadCache {
  private readonly buffer: ObjectBuffer;
  private readonly engine: Engine;
  private readonly cleaner: Cleaner;
  /** A record that there was no room to keep: whoever read it takes it from here before the next call. */
  lent: Int32Array | undefined;

  constructor(buffer: ObjectBuffer, engine: Engine, cleaner: Cleaner) {
    this.buffer = buffer;
    this.engine = engine;
    this.cleaner = cleaner;
  }

  /** The engine's record of a key: its first word in the buffer, 0: it is {@link lent}, −1: there is none. */
  read(partition: number, bucket: number, key: Uint8Array): number {
    const stored = this.engine.get(partition, bucket, key);
    if (stored === undefined) return -1;
    if (!verifyRecord(stored)) {
      throw new RingletError('DATA_CORRUPT', 'a stored record does not match its checksum', {
        bytes: stored.length,
      });
    }
    const { words } = aligned(stored);
    const place = this.keep(words, 0);
    if (place === 0) this.lent = words;
    return place;
  }

  /** Puts a copy of a record of the engine into the buffer: its first word there, or 0 if there is no room. */
  keep(words: Int32Array, at: number): number {
    const { buffer } = this;
    const bytes = lengthAt(words, at);
    // Values may have had another limit when this one was stored.
    if (bytes + SEGMENT_HEADER_BYTES > buffer.layout.shape.segmentBytes) return 0;
    // It grows by turns, and one turn may read more keys than a small one has slots.
    if (buffer.index.exhausted) return 0;
    if (!buffer.hasRoom(CACHE_SEGMENT, bytes)) {
      buffer.seal(CACHE_SEGMENT);
      if (buffer.count(SEG_FREE) <= 1 + this.cleaner.owedSegments) return 0;
      if (buffer.open(CACHE_SEGMENT) < 0) return 0;
    }
    return buffer.append(CACHE_SEGMENT, words, at, words.subarray(keyAt(words, at)));
  }
}
