import { Admission } from './admission.js';
import { LOG_SEGMENT, ownCounter, SEG_FREE, SYNCED, UNWRITTEN_SINCE, WRITTEN } from './buffer-layout.js';
import { Checkpoint } from './checkpoint.js';
import { CheckpointSchedule } from './checkpoint-schedule.js';
import { Cleaner } from './cleaner.js';
import type { Engine } from './engine.js';
import type { Journal } from './journal.js';
import type { ObjectBuffer } from './object-buffer.js';
import { ReadCache } from './read-cache.js';
import { KIND_REMOVED, kindAt, lengthAt, recordBytes } from './record.js';
import { encodeRecord, type Place } from './record-codec.js';
import { Waiters } from './waiters.js';

export const BUFFERED = 0;
export const COMMITTED = 1;
export const DURABLE = 2;
/** As buffered; besides, one replica journals and syncs the record at once, and nobody waits for that. */
export const ONE_DURABLE = 3;
/** How far a write must have come: the numbers of the public `Durability` in frames. */
export type Level = typeof BUFFERED | typeof COMMITTED | typeof DURABLE | typeof ONE_DURABLE;

export type Room = 'ready' | 'wait' | 'full' | 'failed';

/** Disk-backed storage has both, the memory engine neither. */
export interface Backing {
  readonly journal: Journal;
  readonly engine: Engine;
}

export interface PipelineOptions {
  readonly flushMs: number;
  /** A checkpoint starts once in so long, if there is anything to move. */
  readonly checkpointMs: number;
  /** When in that time, so that those of several virtual nodes do not meet; default 0. */
  readonly checkpointPhaseMs?: number;
  /** What admission keeps (admission.ts); default: as in LIMITS. */
  readonly foregroundP99Ms?: number;
  /** Measures slices of background work; without it they take no time, and none is held back. */
  readonly nowMs?: () => number;
  /** Called after every completion of journal or engine. */
  readonly onProgress: () => void;
}

/**
 * The way of a record: object buffer → journal written → journal synced → engine. Knows no thread
 * and no timer: {@link begin} opens a turn of the virtual node, {@link end} closes it.
 */
export class Pipeline {
  readonly buffer: ObjectBuffer;
  /** Of this virtual node's background work: the checkpoint's, and whatever else runs beside requests. */
  readonly admission: Admission;
  private readonly backing: Backing | undefined;
  private readonly options: PipelineOptions;
  private readonly cleaner: Cleaner;
  private readonly checkpoint: Checkpoint | undefined;
  private readonly schedule: CheckpointSchedule | undefined;
  private readonly readCache: ReadCache | undefined;
  private readonly written = new Waiters();
  private readonly synced = new Waiters();
  private readonly onReached: (token: number) => void;
  /** Up to here the journal is to be synced although nobody waits. */
  private hastened = 0;
  /** When the turn began. */
  private nowMs = 0;
  fenced: Error | undefined;

  constructor(
    buffer: ObjectBuffer,
    backing: Backing | undefined,
    options: PipelineOptions,
    onReached: (token: number) => void,
  ) {
    this.buffer = buffer;
    this.backing = backing;
    this.options = options;
    this.admission = new Admission(options.nowMs ?? (() => 0), options.foregroundP99Ms);
    this.onReached = onReached;
    this.cleaner = new Cleaner(buffer, backing === undefined);
    if (backing === undefined) return;
    const { journal, engine } = backing;
    this.checkpoint = new Checkpoint(buffer, journal, engine, options.onProgress);
    const { checkpointMs, checkpointPhaseMs = 0 } = options;
    const { checkpoint, admission } = this;
    this.schedule = new CheckpointSchedule(buffer, checkpoint, admission, checkpointMs, checkpointPhaseMs);
    this.readCache = new ReadCache(buffer, engine, this.cleaner);
  }

  /**
   * What is stored here is in no file that anybody finds again: it can be read, and goes its way, but
   * nothing more is taken or acknowledged.
   */
  fence(error: Error): void {
    this.fenced = error;
  }

  /** The error behind a `failed`, or behind a `full` that the disk causes. */
  get error(): Error | undefined {
    return this.fenced ?? this.checkpoint?.error ?? this.backing?.journal.error;
  }
  get engineFailed(): boolean {
    return this.checkpoint?.error !== undefined;
  }
  /** Completions are on their way that only an event loop lets in. */
  get inFlight(): boolean {
    return (this.backing?.journal.inFlight ?? false) || (this.checkpoint?.inFlight ?? false);
  }
  /** A request waits for one of these completions: a durable put, a scan, or all of them. */
  get urgent(): boolean {
    return !this.synced.empty || this.schedule?.pressing === true || this.rehoming;
  }
  get journalFailures(): number {
    return this.backing?.journal.failures ?? 0;
  }
  get turnMs(): number {
    return this.nowMs;
  }
  get rehoming(): boolean {
    return this.backing?.journal.rehoming ?? false;
  }

  /** Whether acknowledgements may leave: they may not while the journal is being written anew, or has failed. */
  get journalWhole(): boolean {
    return (
      this.fenced === undefined && (this.backing === undefined || this.backing.journal.health === 'healthy')
    );
  }

  /** Nothing that stands in it will get any further: the thread ends, or is fenced. */
  get journalLost(): boolean {
    return this.fenced !== undefined || this.backing?.journal.health === 'failed';
  }

  /** Compares a piece of the journal with what was written to it; false at the end of all of it. */
  scrubJournal(bytes: number, done: (damaged: boolean) => void): boolean {
    return this.backing?.journal.scrub(bytes, done) ?? false;
  }

  /** Opens a turn: nothing is acknowledged before a record that is older than the window is written. */
  begin(nowMs: number): void {
    this.nowMs = nowMs;
    const since = this.buffer.words[UNWRITTEN_SINCE]!;
    if (this.backing !== undefined && since !== 0 && elapsed(since, nowMs) >= this.options.flushMs) {
      this.backing.journal.write();
    }
    // Not while a sync is under way: a write to the page that it writes would wait for its end.
    if (this.hurried && this.backing!.journal.canSync) {
      this.backing!.journal.write();
      this.backing!.journal.sync();
    }
    this.releaseReached();
    this.buffer.reclaim();
  }

  /**
   * Whether a record of so many bytes can be appended now.
   *
   * @param shrinks it replaces a longer one: in a full memory engine that is the way to make room,
   *   so it may use a segment of the cleaner's reserve
   */
  room(bytes: number, shrinks = false): Room {
    const { buffer, backing } = this;
    if (backing?.journal.health === 'failed' || this.fenced !== undefined) return 'failed';
    if (backing?.journal.health === 'rehoming') return 'wait';
    if (buffer.index.exhausted) return 'wait';
    if (buffer.hasRoom(LOG_SEGMENT, bytes + this.cleaner.owed))
      return backing?.journal.ready === false ? 'wait' : 'ready';
    if (backing !== undefined) {
      if (!backing.journal.prepare()) return backing.journal.error === undefined ? 'wait' : 'full';
      if (buffer.count(SEG_FREE) <= this.cleaner.owedSegments)
        return this.checkpoint!.error === undefined ? 'wait' : 'full';
    } else if (buffer.count(SEG_FREE) <= Cleaner.reserve - (shrinks ? 1 : 0)) {
      return this.cleaner.hopeful ? 'wait' : 'full';
    }
    buffer.seal(LOG_SEGMENT);
    const segment = buffer.open(LOG_SEGMENT);
    if (segment < 0) return 'wait';
    backing?.journal.assign(segment);
    return 'ready';
  }

  /** First word of the record that was appended last. */
  lastPlace = 0;

  /** Appends a record; {@link room} said `ready`. Returns its sequence number. */
  append(from: Int32Array, fromWord: number, key: Int32Array): number {
    this.lastPlace = this.buffer.append(LOG_SEGMENT, from, fromWord, key);
    if (this.backing !== undefined && this.buffer.words[UNWRITTEN_SINCE] === 0) {
      Atomics.store(this.buffer.words, UNWRITTEN_SINCE, stamp(this.nowMs));
    }
    return this.buffer.lastSequence;
  }

  /**
   * Lets the copy of a key go, clock and all. A record that says so takes the way of every other,
   * so that a replay does not bring the copy back; the memory engine just forgets. Whoever calls
   * it may have forgotten dots (versions.md, trap 3). Anything but `ready`: nothing was done.
   */
  remove(place: Place, keyWords: Int32Array, key: Uint8Array): Room {
    if (this.backing === undefined) {
      const byte = this.buffer.find(place.hash, place.bucket, keyWords, key.length);
      if (byte !== 0) this.buffer.forget(byte >>> 2);
      return 'ready';
    }
    const { words } = encodeRecord(place, key, KIND_REMOVED, []);
    const room = this.room(lengthAt(words, 0));
    if (room === 'ready') this.append(words, 0, keyWords);
    return room;
  }

  /** Whether {@link remove} of a key of at most so many bytes would be `ready`. */
  mayRemove(keyBytes: number): boolean {
    return this.backing === undefined || this.room(recordBytes(0, 0, keyBytes, 0)) === 'ready';
  }

  /** Calls back with the token when a record has reached the level; false if it has already. */
  awaitLevel(sequence: number, level: Level, token: number): boolean {
    if (this.backing === undefined) return false;
    const buffered = level === BUFFERED || level === ONE_DURABLE;
    const position = level === DURABLE ? SYNCED : WRITTEN;
    // Else what was written may be lost with its file, whatever the positions say.
    if (this.journalWhole && (buffered || ownCounter(this.buffer.words, position) >= sequence)) return false;
    (level === DURABLE ? this.synced : this.written).add(sequence, token);
    return true;
  }

  /**
   * Journals and syncs a record at once, without anybody waiting for it (paper §6.1): at the
   * beginning of the next turn, so that the acknowledgements of this one leave before.
   */
  hasten(sequence: number): void {
    if (sequence > this.hastened) this.hastened = sequence;
  }

  private get hurried(): boolean {
    return (
      this.backing?.journal.health === 'healthy' && this.hastened > ownCounter(this.buffer.words, SYNCED)
    );
  }

  /**
   * Calls back when everything appended so far is in the engine; false if it is already.
   *
   * @param patient background work waits, so that to bring it there is background work too
   */
  awaitEngine(token: number, patient = false): boolean {
    return this.schedule?.await(token, patient) ?? false;
  }

  /** The key's newest record: its first word in the buffer, 0: see {@link lent}, or −1. Reads the engine on a miss and keeps what it finds. */
  read(hash: number, partition: number, bucket: number, key: Int32Array, keyBytes: Uint8Array): number {
    const byte = this.buffer.find(hash, bucket, key, keyBytes.length);
    if (byte !== 0) return kindAt(this.buffer.words, byte >>> 2) === KIND_REMOVED ? -1 : byte >>> 2;
    return this.readCache?.read(partition, bucket, keyBytes) ?? -1;
  }

  /** What {@link read} found in the engine and had no room to keep: valid until the next one. */
  get lent(): Int32Array | undefined {
    return this.readCache?.lent;
  }

  /** Puts a copy of a record of the engine into the buffer; false if there is no room. */
  keep(words: Int32Array, at: number): boolean {
    return this.readCache !== undefined && this.readCache.keep(words, at) !== 0;
  }

  /** Closes a turn: writes and syncs for those who wait, moves checkpoint, eviction and index on. */
  end(nowMs: number): void {
    this.nowMs = nowMs;
    const { backing } = this;
    if (backing !== undefined && !(this.written.empty && this.synced.empty)) {
      backing.journal.write();
      if (!this.synced.empty) backing.journal.sync(true);
    }
    this.releaseReached();
    this.buffer.growIndex();
    this.schedule?.step(nowMs);
    this.cleaner.step();
  }

  private releaseReached(): void {
    const { words } = this.buffer;
    const whole = this.journalWhole;
    if (whole && !this.written.empty) this.written.release(ownCounter(words, WRITTEN), this.onReached);
    if (whole && !this.synced.empty) this.synced.release(ownCounter(words, SYNCED), this.onReached);
    this.schedule?.release(this.onReached);
  }

  /** When the pipeline wants its next turn, in monotonic milliseconds. */
  nextMs(nowMs: number): number {
    if (this.cleaner.busy || this.buffer.index.growing) return nowMs;
    // While a sync is under way, its completion calls; what came meanwhile shares the next one.
    if (this.hurried && !this.backing!.journal.syncUnderWay) return nowMs;
    const next = this.schedule?.nextMs(nowMs) ?? Number.POSITIVE_INFINITY;
    const since = this.buffer.words[UNWRITTEN_SINCE]!;
    // A journal that is broken calls back by itself.
    if (this.backing?.journal.health !== 'healthy' || since === 0) return next;
    return Math.min(next, nowMs + Math.max(0, this.options.flushMs - elapsed(since, nowMs)));
  }
}

/** Milliseconds in a word: 31 bits, never 0. */
function stamp(nowMs: number): number {
  return Math.floor(nowMs) & 0x7fffffff || 1;
}

function elapsed(since: number, nowMs: number): number {
  return (stamp(nowMs) - since) & 0x7fffffff;
}
