import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import {
  APPENDED,
  APPENDED_BYTES,
  loadCounter,
  LOG_SEGMENT,
  SEG_LOG,
  storeCounter,
  SYNCED,
  SYNCED_BYTES,
  UNWRITTEN_SINCE,
  WRITTEN,
  WRITTEN_BYTES,
} from './buffer-layout.js';
import type { JournalDisk, JournalFile } from './journal-files.js';
import type { ObjectBuffer } from './object-buffer.js';

interface Home {
  readonly file: JournalFile;
  /** Bytes of the segment that are written. */
  written: number;
}

export type JournalHealth = 'healthy' | 'rehoming' | 'failed';

/**
 * Keeps the log segments of an object buffer on disk: a journal file is the image of one segment,
 * written at the same offsets. WRITTEN and SYNCED say how far; they never exceed the truth.
 *
 * After a failed write or sync, and on a new thread, every unconfirmed segment is written whole
 * into fresh files and synced ("rehoming"): pages of a file whose sync failed may be gone although
 * a later sync succeeds. If that fails too the journal has failed for good.
 */
export class Journal {
  private readonly buffer: ObjectBuffer;
  private readonly disk: JournalDisk;
  private readonly homes = new Map<number, Home>();
  private spare: JournalFile | undefined;
  private allocating = false;
  /** Files written to since their last sync. */
  private readonly unsynced = new Set<Home>();
  private syncing = false;
  private scrubbing = false;
  /** How far the scrub has come. */
  private scrubSegment = 0;
  private scrubByte = 0;
  health: JournalHealth = 'healthy';
  failures = 0;
  error: Error | undefined;
  /** Set when the files of an earlier thread or failed attempt can go once rehoming succeeds. */
  private stale: JournalFile[] = [];
  private dropExisting = false;
  /** Files that were given up, and the last record that may stand in them. */
  private readonly givenUp: { readonly files: readonly JournalFile[]; readonly until: number }[] = [];

  private readonly onProgress: () => void;

  /** @param onProgress called after every completion, so that the owner takes another turn */
  constructor(buffer: ObjectBuffer, disk: JournalDisk, onProgress: () => void) {
    this.buffer = buffer;
    this.disk = disk;
    this.onProgress = onProgress;
  }

  /** A new thread on an old buffer: nothing is known about the files of its predecessor. */
  adopt(): void {
    this.dropExisting = true;
    this.rehome();
  }

  get syncUnderWay(): boolean {
    return this.syncing;
  }
  get inFlight(): boolean {
    return this.syncing || this.allocating || this.scrubbing || this.health === 'rehoming';
  }
  get rehoming(): boolean {
    return this.health === 'rehoming';
  }

  /** Whether {@link sync} would start one: healthy, and none under way. */
  get canSync(): boolean {
    return this.health === 'healthy' && !this.syncing;
  }

  /** Whether a new log segment can be opened now; asks for a spare file if not. */
  prepare(): boolean {
    if (this.spare === undefined) this.allocateSpare();
    return this.spare !== undefined && this.health === 'healthy';
  }

  /** Gives a fresh log segment its file. */
  assign(segment: number): void {
    assert(this.spare !== undefined, 'a segment is opened only when its file is ready');
    this.homes.set(segment, { file: this.spare, written: 0 });
    this.spare = undefined;
    this.allocateSpare();
  }

  /** The segment's records are in the engine. */
  release(segment: number): void {
    const home = this.homes.get(segment);
    if (home === undefined) return;
    this.homes.delete(segment);
    this.unsynced.delete(home);
    this.disk.release(home.file);
  }

  /** Everything up to a record is in the engine. */
  confirmed(sequence: number): void {
    while (this.givenUp.length > 0 && this.givenUp[0]!.until <= sequence)
      for (const file of this.givenUp.shift()!.files) this.disk.delete(file);
  }

  /** Writes everything appended so far (to the operating system; no sync). */
  write(): boolean {
    const { words } = this.buffer;
    if (this.health !== 'healthy') return false;
    const target = loadCounter(words, APPENDED);
    if (target === loadCounter(words, WRITTEN)) return true;
    const bytes = loadCounter(words, APPENDED_BYTES);
    try {
      for (const [segment, home] of this.homes) this.writeSegment(segment, home);
    } catch (error) {
      this.fail(error);
      return false;
    }
    Atomics.store(words, UNWRITTEN_SINCE, 0);
    storeCounter(words, WRITTEN_BYTES, bytes);
    storeCounter(words, WRITTEN, target);
    return true;
  }

  private writeSegment(segment: number, home: Home): void {
    const used = this.buffer.used(segment);
    if (used === home.written) return;
    const at = this.buffer.layout.segmentByte(segment);
    home.file.write(this.buffer.memory.bytes.subarray(at + home.written, at + used), home.written);
    home.written = used;
    this.unsynced.add(home);
  }

  /**
   * Starts a sync of everything written, unless one runs; SYNCED moves when it is done.
   *
   * @param awaited somebody waits for it: where the disk is quick this thread waits too, since another
   *   one that does, and wakes it, takes as long as the sync
   */
  sync(awaited = false): void {
    if (this.syncing || this.health !== 'healthy') return;
    const { words } = this.buffer;
    const target = loadCounter(words, WRITTEN);
    const bytes = loadCounter(words, WRITTEN_BYTES);
    if (target === loadCounter(words, SYNCED)) return;
    const files = [...this.unsynced].map((home) => home.file);
    this.unsynced.clear();
    const ended = (error: Error | undefined): void => {
      if (error !== undefined) {
        this.fail(error);
        return;
      }
      // A sync that began before a rehoming may end after it.
      if (target > loadCounter(words, SYNCED)) {
        storeCounter(words, SYNCED_BYTES, bytes);
        storeCounter(words, SYNCED, target);
      }
    };
    try {
      if (awaited && files.length === 1 && files[0]!.syncAtOnce()) {
        ended(undefined);
        return;
      }
    } catch (error) {
      this.fail(error);
      return;
    }
    this.syncing = true;
    syncAll(files, (error) => {
      this.syncing = false;
      ended(error);
      if (error === undefined) this.onProgress();
    });
  }

  /**
   * Reads a piece of what was written and compares it with the buffer that it was written from. What is
   * damaged is written anew, like everything after a failed sync. False at the end of all of it.
   */
  scrub(bytes: number, done: (damaged: boolean) => void): boolean {
    if (this.scrubbing || this.health !== 'healthy') return true;
    const home = this.nextToScrub();
    if (home === undefined) return false;
    const segment = this.scrubSegment;
    const from = this.scrubByte;
    const found = Buffer.alloc(Math.min(bytes, home.written - from));
    this.scrubByte += found.length;
    this.scrubbing = true;
    home.file.read(found, from, (error) => {
      this.scrubbing = false;
      // It may have been given back meanwhile.
      if (this.homes.get(segment) === home && this.health === 'healthy') {
        const at = this.buffer.layout.segmentByte(segment) + from;
        const written = this.buffer.memory.bytes.subarray(at, at + found.length);
        const damaged = error !== undefined || found.compare(written) !== 0;
        done(damaged);
        if (damaged)
          this.fail(error ?? new RingletError('DATA_CORRUPT', `${home.file.name} is not what was written`));
      }
      this.onProgress();
    });
    return true;
  }

  /** The segment in which the scrub goes on; at the end it begins anew next time. */
  private nextToScrub(): Home | undefined {
    const home = this.homes.get(this.scrubSegment);
    if (home !== undefined && home.written > this.scrubByte) return home;
    const rest = Array.from(this.homes).filter(
      ([segment, { written }]) => segment > this.scrubSegment && written > 0,
    );
    const next = rest.sort(([a], [b]) => a - b)[0];
    this.scrubByte = 0;
    this.scrubSegment = next?.[0] ?? 0;
    return next?.[1];
  }

  private allocateSpare(): void {
    if (this.allocating || this.spare !== undefined || this.health === 'failed') return;
    this.allocating = true;
    this.disk.allocate(this.buffer.layout.shape.segmentBytes, (error, file) => {
      this.allocating = false;
      if (this.health === 'healthy') this.error = error;
      this.spare = file;
      this.onProgress();
    });
  }

  private fail(cause: unknown): void {
    this.failures++;
    this.error = cause instanceof Error ? cause : new Error(String(cause));
    if (this.health === 'healthy') this.rehome();
  }

  private rehome(): void {
    this.health = 'rehoming';
    for (const home of this.homes.values()) this.stale.push(home.file);
    this.homes.clear();
    this.unsynced.clear();
    const segments = this.buffer.segmentsIn(SEG_LOG);
    const { words } = this.buffer;
    const target = loadCounter(words, APPENDED);
    const bytes = loadCounter(words, APPENDED_BYTES);
    const next = (): void => {
      let segment = segments.shift();
      // A checkpoint may have been confirmed meanwhile: such a segment needs no file any more.
      while (segment !== undefined && this.buffer.state(segment) !== SEG_LOG) segment = segments.shift();
      if (segment === undefined) {
        const files = Array.from(this.homes.values(), ({ file }) => file);
        syncAll(files, (error) => {
          if (error !== undefined) giveUp(error);
          else this.rehomed(target, bytes);
        });
        return;
      }
      this.disk.allocate(this.buffer.layout.shape.segmentBytes, (error, file) => {
        if (file === undefined) {
          giveUp(error);
          return;
        }
        if (this.buffer.state(segment) !== SEG_LOG) {
          this.disk.release(file);
          next();
          return;
        }
        const home = { file, written: 0 };
        this.homes.set(segment, home);
        try {
          this.writeSegment(segment, home);
        } catch (failure) {
          giveUp(failure);
          return;
        }
        this.unsynced.delete(home);
        next();
      });
    };
    const giveUp = (error: unknown): void => {
      this.health = 'failed';
      this.error = error instanceof Error ? error : new Error(String(error));
      this.onProgress();
    };
    next();
  }

  private rehomed(target: number, bytes: number): void {
    const { words } = this.buffer;
    storeCounter(words, WRITTEN_BYTES, bytes);
    storeCounter(words, WRITTEN, target);
    storeCounter(words, SYNCED_BYTES, bytes);
    storeCounter(words, SYNCED, target);
    Atomics.store(words, UNWRITTEN_SINCE, 0);
    const files = this.stale.splice(0);
    for (const file of files) this.disk.abandon(file);
    if (files.length > 0) this.givenUp.push({ files, until: target });
    if (this.dropExisting) this.disk.removeExisting();
    this.dropExisting = false;
    this.health = 'healthy';
    this.error = undefined;
    this.onProgress();
  }

  /** Whether the open log segment has a file; after rehoming it has. */
  get ready(): boolean {
    const open = this.buffer.segment(LOG_SEGMENT);
    return this.health === 'healthy' && (open < 0 || this.homes.has(open));
  }
}

function syncAll(files: readonly JournalFile[], done: (error: Error | undefined) => void): void {
  let open = files.length;
  let first: Error | undefined;
  if (open === 0) {
    done(undefined);
    return;
  }
  for (const file of files) {
    file.sync((error) => {
      first ??= error;
      if (--open === 0) done(first);
    });
  }
}
