import {
  type BufferLayout,
  loadCounter,
  SEG_LOG,
  SEG_SERIAL,
  SEG_STATE,
  SEG_USED,
  SEGMENT_HEADER_BYTES,
} from '../storage/buffer-layout.js';
import { findRecord } from '../storage/key-index.js';
import { lengthAt } from '../storage/record.js';
import type { StoredKey } from './stored-key.js';

interface LogSegment {
  /** A byte of the buffer; the others are words. */
  readonly start: number;
  readonly first: number;
  readonly end: number;
}

/** Looks into an object buffer from outside, whether or not a thread serves it. */
export class BufferView {
  readonly words: Int32Array;
  private readonly layout: BufferLayout;

  constructor(words: Int32Array, layout: BufferLayout) {
    this.words = words;
    this.layout = layout;
  }

  position(word: number): number {
    return loadCounter(this.words, word);
  }

  /** First word of a key's newest record, −1 if it is not here. */
  find({ hash, bucket, words, bytes }: StoredKey): number {
    const byte = findRecord(this.words, this.layout, hash, bucket, words, bytes.length);
    return byte === 0 ? -1 : byte >>> 2;
  }

  /** Whether the record stands in a segment that the engine does not have yet. */
  isLogged(at: number): boolean {
    const segment = this.layout.segmentOf(at * 4);
    return this.words[this.layout.segmentWord(segment) + SEG_STATE] === SEG_LOG;
  }

  /** The records that the engine does not have yet, in the order of their appending. */
  visitLog(visit: (at: number) => void): void {
    for (const { first, end } of this.logSegments())
      for (let at = first; at < end; at += lengthAt(this.words, at) >>> 2) visit(at);
  }

  /** Segments that the engine does not have yet, oldest first: where each begins, its first record, and its end. */
  logSegments(): LogSegment[] {
    const { words, layout } = this;
    const logged: number[] = [];
    for (let s = 0; s < layout.shape.segments; s++) {
      if (words[layout.segmentWord(s) + SEG_STATE] === SEG_LOG) logged.push(s);
    }
    logged.sort(
      (a, b) => words[layout.segmentWord(a) + SEG_SERIAL]! - words[layout.segmentWord(b) + SEG_SERIAL]!,
    );
    return logged.map((segment) => {
      const start = layout.segmentByte(segment);
      const end = (start + words[layout.segmentWord(segment) + SEG_USED]!) >>> 2;
      return { start, first: (start + SEGMENT_HEADER_BYTES) >>> 2, end };
    });
  }
}
