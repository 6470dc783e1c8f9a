import { assert } from '../base/assert.js';
import { copyWords, Memory } from '../base/memory.js';
import {
  APPENDED,
  APPENDED_BYTES,
  BufferLayout,
  CACHE_SEGMENT,
  CONFIRMED,
  GENERATION,
  loadCounter,
  LOG_SEGMENT,
  MIN_TABLE_BITS,
  NEXT_SERIAL,
  ownCounter,
  SEG_CLEAN,
  SEG_FIRST,
  SEG_FREE,
  SEG_LIVE,
  SEG_LOG,
  SEG_RETIRED,
  SEG_RETIRED_STATE,
  SEG_SERIAL,
  SEG_SERIAL_HIGH,
  SEG_STATE,
  SEG_USED,
  SEGMENT_HEADER_BYTES,
  storeCounter,
  SYNCED,
  TABLE,
  WRITTEN,
} from './buffer-layout.js';
import type { IndexWatcher } from '../cache/watcher.js';
import { KeyIndex } from './key-index.js';
import type { Reclaimer } from './readers.js';
import { writeSegmentHeader } from './segment-header.js';
import { bucketAt, keyAt, keyLengthAt, lengthAt, sealHead, sequenceAt, W_KEY_HASH } from './record.js';

/**
 * The owner's side of an object buffer: append, index, and the life of segments
 * FREE → LOG → CLEAN → RETIRED → FREE. What is written where, and in which order, stands in
 * buffer-layout.ts. Neither journal nor engine is known here.
 */
export class ObjectBuffer {
  readonly layout: BufferLayout;
  readonly memory: Memory;
  readonly words: Int32Array;
  readonly index: KeyIndex;
  private readonly reclaimer: Reclaimer;
  private sequence: number;
  private tableRetired = 0;
  /** Stands in the header of every segment that is opened (segment-header.ts). */
  owner = 0;
  /** Hears of every change of the index. */
  watcher: IndexWatcher | undefined;

  constructor(buffer: SharedArrayBuffer, layout: BufferLayout, reclaimer: Reclaimer) {
    this.layout = layout;
    this.memory = new Memory(buffer);
    this.words = this.memory.words;
    this.reclaimer = reclaimer;
    this.index = new KeyIndex(this.words, layout);
    this.tableRetired = reclaimer.retire();
    this.sequence = this.recoverTail();
    this.recountLive();
  }

  /** The last sequence number given out. */
  get lastSequence(): number {
    return this.sequence;
  }

  /** Continues the numbering of an earlier run. Before the first append only. */
  startAt(sequence: number, generation: number, serial: number): void {
    assert(this.segment(LOG_SEGMENT) < 0, 'numbering starts before the first append');
    this.sequence = sequence;
    for (const position of [APPENDED, WRITTEN, SYNCED, CONFIRMED])
      storeCounter(this.words, position, sequence);
    Atomics.store(this.words, GENERATION, generation);
    this.giveOut(serial);
  }

  /** Only this thread and its successors look: the high word first, so that one that ends in between skips numbers and gives none twice. */
  private giveOut(serial: number): void {
    Atomics.store(this.words, NEXT_SERIAL + 1, Math.floor(serial / 0x1_0000_0000));
    Atomics.store(this.words, NEXT_SERIAL, serial | 0);
  }

  get generation(): number {
    return this.words[GENERATION]!;
  }

  state(segment: number): number {
    return this.words[this.layout.segmentWord(segment) + SEG_STATE]!;
  }
  used(segment: number): number {
    return this.words[this.layout.segmentWord(segment) + SEG_USED]!;
  }
  serial(segment: number): number {
    const at = this.layout.segmentWord(segment);
    return this.words[at + SEG_SERIAL_HIGH]! * 0x1_0000_0000 + (this.words[at + SEG_SERIAL]! >>> 0);
  }
  live(segment: number): number {
    return this.words[this.layout.segmentWord(segment) + SEG_LIVE]!;
  }
  firstSequence(segment: number): number {
    return loadCounter(this.words, this.layout.segmentWord(segment) + SEG_FIRST);
  }
  /** The segment that LOG_SEGMENT or CACHE_SEGMENT names, or −1. */
  segment(head: number): number {
    return this.words[head]! - 1;
  }
  /** Segments in a state, oldest first. */
  segmentsIn(state: number): number[] {
    const found: number[] = [];
    for (let s = 0; s < this.layout.shape.segments; s++) if (this.state(s) === state) found.push(s);
    return found.sort((a, b) => this.serial(a) - this.serial(b));
  }
  count(state: number): number {
    let found = 0;
    for (let s = 0; s < this.layout.shape.segments; s++) if (this.state(s) === state) found++;
    return found;
  }

  hasRoom(head: number, bytes: number): boolean {
    const segment = this.segment(head);
    return segment >= 0 && this.used(segment) + bytes <= this.layout.shape.segmentBytes;
  }

  /** Opens a free segment as the head of the log or of the cache; −1 when none is free. */
  open(head: number): number {
    const { words, layout } = this;
    for (let s = 0; s < layout.shape.segments; s++) {
      if (this.state(s) !== SEG_FREE) continue;
      const at = layout.segmentWord(s);
      const newest = this.segmentsIn(SEG_LOG).at(-1);
      const before = newest === undefined ? 0 : this.serial(newest);
      const serial = ownCounter(words, NEXT_SERIAL) + 1;
      this.giveOut(serial);
      words[at + SEG_SERIAL] = serial | 0;
      words[at + SEG_SERIAL_HIGH] = Math.floor(serial / 0x1_0000_0000);
      words[at + SEG_LIVE] = 0;
      const firstSequence = this.sequence + 1;
      storeCounter(words, at + SEG_FIRST, firstSequence);
      writeSegmentHeader(words, layout.segmentByte(s) >>> 2, {
        serial,
        generation: this.generation,
        firstSequence,
        confirmed: loadCounter(words, CONFIRMED),
        owner: this.owner,
        before,
        bytes: layout.shape.segmentBytes,
      });
      Atomics.store(words, at + SEG_USED, SEGMENT_HEADER_BYTES);
      Atomics.store(words, at + SEG_STATE, head === LOG_SEGMENT ? SEG_LOG : SEG_CLEAN);
      Atomics.store(words, head, s + 1);
      return s;
    }
    return -1;
  }

  /** Closes the open segment of the log or of the cache, if any: the next append opens another. */
  seal(head: number): void {
    Atomics.store(this.words, head, 0);
  }

  /**
   * Where the next record of so many bytes goes: its first word. The caller writes the record
   * there (all but the head) and then calls {@link publish}; nobody sees it before.
   */
  place(head: number, bytes: number): number {
    assert(this.hasRoom(head, bytes), 'room was made before a record is placed');
    const segment = this.segment(head);
    return (this.layout.segmentByte(segment) + this.used(segment)) >>> 2;
  }

  /** Numbers, publishes and indexes the record that was written at `place`. */
  publish(head: number, at: number, key: Int32Array): void {
    const { words, layout } = this;
    const segment = this.segment(head);
    const seg = layout.segmentWord(segment);
    const bytes = lengthAt(words, at);
    const logged = head === LOG_SEGMENT;
    const sequence = logged ? this.sequence + 1 : 0;
    sealHead(words, at, sequence, this.generation, ownCounter(words, SYNCED));
    Atomics.store(words, seg + SEG_USED, words[seg + SEG_USED]! + bytes);
    words[seg + SEG_LIVE] = words[seg + SEG_LIVE]! + bytes;
    this.link(at, key);
    if (!logged) return;
    this.sequence = sequence;
    storeCounter(words, APPENDED_BYTES, ownCounter(words, APPENDED_BYTES) + bytes);
    storeCounter(words, APPENDED, sequence);
  }

  /** Appends a copy of a record that stands elsewhere. */
  append(head: number, from: Int32Array, fromWord: number, key: Int32Array): number {
    const bytes = lengthAt(from, fromWord);
    const at = this.place(head, bytes);
    copyWords(from, fromWord, this.words, at, bytes >>> 2);
    this.publish(head, at, key);
    return at;
  }

  private link(at: number, key: Int32Array): void {
    const { words, layout } = this;
    const before = this.index.set(
      words[at + W_KEY_HASH]!,
      bucketAt(words, at),
      key,
      keyLengthAt(words, at),
      at * 4,
    );
    if (before === at * 4) return;
    this.watcher?.linked(before >>> 2, at);
    if (before === 0) return;
    const seg = layout.segmentWord(layout.segmentOf(before));
    words[seg + SEG_LIVE] = words[seg + SEG_LIVE]! - lengthAt(words, before >>> 2);
  }

  /** Byte offset of a key's newest record in the buffer, or 0. */
  find(hash: number, bucket: number, key: Int32Array, keyBytes: number): number {
    return this.index.find(hash, bucket, key, keyBytes);
  }

  /** Whether the record at a word stands in a log segment, and so is on its way to the engine. */
  isLogged(at: number): boolean {
    return this.state(this.layout.segmentOf(at * 4)) === SEG_LOG;
  }

  isNewest(at: number): boolean {
    return this.index.pointsAt(this.words[at + W_KEY_HASH]!, at * 4);
  }

  /** First word after `at` of the record sequence of a segment; begin with {@link firstRecord}. */
  firstRecord(segment: number): number {
    return (this.layout.segmentByte(segment) + SEGMENT_HEADER_BYTES) >>> 2;
  }
  endOf(segment: number): number {
    return (this.layout.segmentByte(segment) + this.used(segment)) >>> 2;
  }

  /** LOG → CLEAN: everything in it is in the engine. */
  confirm(segment: number): void {
    assert(
      this.state(segment) === SEG_LOG && this.segment(LOG_SEGMENT) !== segment,
      'only a sealed log is confirmed',
    );
    Atomics.store(this.words, this.layout.segmentWord(segment) + SEG_STATE, SEG_CLEAN);
  }

  /** Takes a record out of the index, so that its segment can go. */
  unlink(at: number): void {
    if (this.index.unlink(this.words[at + W_KEY_HASH]!, at * 4)) this.watcher?.unlinked(at);
  }

  /** Whether the record at a word was read since it was last said that it was not. */
  wasRead(at: number): boolean {
    return this.memory.bytes[this.layout.readByte(at)] === 1;
  }
  setRead(at: number, read: boolean): void {
    this.memory.bytes[this.layout.readByte(at)] = read ? 1 : 0;
  }

  /** Takes a record that is nowhere else out of the index: with the memory engine, its key is gone. */
  forget(at: number): void {
    this.unlink(at);
    const seg = this.layout.segmentWord(this.layout.segmentOf(at * 4));
    this.words[seg + SEG_LIVE] = this.words[seg + SEG_LIVE]! - lengthAt(this.words, at);
  }

  /** After every record of the segment was unlinked or has a newer version elsewhere. */
  retire(segment: number): void {
    const seg = this.layout.segmentWord(segment);
    if (this.segment(CACHE_SEGMENT) === segment) this.seal(CACHE_SEGMENT);
    this.words[seg + SEG_RETIRED] = this.reclaimer.retire();
    Atomics.store(this.words, seg + SEG_STATE, SEG_RETIRED_STATE);
  }

  /** Frees what no reader can still look at. */
  reclaim(): void {
    if (this.index.needsFreeRegion && this.reclaimer.passed(this.tableRetired)) this.index.regionFree();
    for (let s = 0; s < this.layout.shape.segments; s++) {
      const seg = this.layout.segmentWord(s);
      if (this.words[seg + SEG_STATE] !== SEG_RETIRED_STATE) continue;
      if (this.reclaimer.passed(this.words[seg + SEG_RETIRED]!))
        Atomics.store(this.words, seg + SEG_STATE, SEG_FREE);
    }
  }

  /** Moves the growth of the index on. */
  growIndex(): void {
    if (this.index.step()) this.tableRetired = this.reclaimer.retire();
  }

  /** Finds a key that a record carries, as words padded with zeros. */
  keyOf(at: number): Int32Array {
    return this.words.subarray(keyAt(this.words, at));
  }

  /** A predecessor may have died between a change of the index and the counts that follow from it. */
  private recountLive(): void {
    const { words, layout } = this;
    for (let s = 0; s < layout.shape.segments; s++) words[layout.segmentWord(s) + SEG_LIVE] = 0;
    this.index.visit(0, Number.POSITIVE_INFINITY, (byte) => {
      const seg = layout.segmentWord(layout.segmentOf(byte));
      words[seg + SEG_LIVE] = words[seg + SEG_LIVE]! + lengthAt(words, byte >>> 2);
    });
  }

  /**
   * A new thread on an old buffer: everything below USED is whole, at most the last record of the
   * open log is not in the index yet, and APPENDED may be behind.
   */
  private recoverTail(): number {
    let last = loadCounter(this.words, APPENDED);
    for (const segment of this.segmentsIn(SEG_LOG)) {
      if (segment !== this.segment(LOG_SEGMENT)) continue;
      const end = this.endOf(segment);
      for (let at = this.firstRecord(segment); at < end; at += lengthAt(this.words, at) >>> 2) {
        const sequence = sequenceAt(this.words, at);
        if (sequence <= last) continue;
        this.link(at, this.keyOf(at));
        storeCounter(
          this.words,
          APPENDED_BYTES,
          loadCounter(this.words, APPENDED_BYTES) + lengthAt(this.words, at),
        );
        storeCounter(this.words, APPENDED, sequence);
        last = sequence;
      }
    }
    return last;
  }
}

/**
 * What a buffer holds belongs to a directory that is gone. First nobody finds anything in it any more;
 * once all readers have moved on ({@link freeAll}) its memory may be used again. By the thread that
 * takes it over, before it makes an {@link ObjectBuffer} of it.
 */
export function unlinkAll(buffer: SharedArrayBuffer, layout: BufferLayout): void {
  const words = new Int32Array(buffer);
  const named = words[TABLE]!;
  if (named === 0) return;
  const base = layout.tableWord(named & 1);
  for (let slot = 0; slot < 1 << (named >>> 1); slot++) Atomics.store(words, base + slot * 2 + 1, 0);
}

/** All readers have moved on: the buffer is as new. */
export function freeAll(buffer: SharedArrayBuffer, layout: BufferLayout): void {
  const words = new Int32Array(buffer);
  const named = words[TABLE]!;
  if (named !== 0) {
    const base = layout.tableWord(named & 1);
    words.fill(0, base, base + (2 << (named >>> 1)));
    // The first table of a new buffer stands here.
    words.fill(0, layout.tableWord(0), layout.tableWord(0) + (2 << MIN_TABLE_BITS));
  }
  words.fill(0, 0, layout.segmentWord(layout.shape.segments));
}
