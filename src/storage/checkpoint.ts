import {
  CONFIRMED,
  loadCounter,
  LOG_SEGMENT,
  SEG_LOG,
  SEGMENT_HEADER_BYTES,
  storeCounter,
  SYNCED,
} from './buffer-layout.js';
import type { Engine } from './engine.js';
import type { Journal } from './journal.js';
import type { ObjectBuffer } from './object-buffer.js';
import { PlacesByPartition } from './places.js';
import { bucketAt, keyBytesAt, KIND_REMOVED, kindAt, lengthAt, partitionAt } from './record.js';

/** Records looked at, and records and bytes given to the engine, in a step. */
const SCAN_BUDGET = 512;
const PUT_BUDGET = 64;
const PUT_BYTES = 128 << 10;
/**
 * Records and bytes of a transaction. A tree of copy-on-write pages writes each page that it
 * touches once per transaction, and records of one partition lie together; but it is handed over in
 * one go, for which requests wait.
 */
const COMMIT_RECORDS = 512;
const COMMIT_BYTES = 1 << 20;
/** Transactions on their way to the disk. */
const COMMITS = 4;

type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'collecting'; readonly segments: readonly number[]; at: number; cursor: number }
  | { readonly kind: 'copying'; readonly segments: readonly number[] }
  | { readonly kind: 'syncing'; readonly segments: readonly number[]; readonly target: number }
  | { readonly kind: 'confirming'; readonly segments: readonly number[] };

/**
 * Moves sealed log segments into the engine and then lets their journal files go:
 *
 *   collecting  where the newest record of each key stands, by partition, a slice per poll
 *   copying     these records, partition by partition; those that are not the newest any more are
 *               skipped, and a key whose newest record says that it is removed is removed there too
 *   syncing     a record was skipped because a newer one exists further up the log, which may not
 *               be on disk yet: wait until the journal is synced up to there (invariant 4)
 *   confirming  commit the mark that says that these segments need no replay; when it is on stable
 *               storage the segments become clean
 */
export class Checkpoint {
  private readonly buffer: ObjectBuffer;
  private readonly journal: Journal;
  private readonly engine: Engine;
  private phase: Phase = { kind: 'idle' };
  private commits = 0;
  private readonly places = new PlacesByPartition();
  /** What the open batch holds. */
  private batchRecords = 0;
  private batchBytes = 0;
  error: Error | undefined;

  private readonly onProgress: () => void;

  constructor(buffer: ObjectBuffer, journal: Journal, engine: Engine, onProgress: () => void) {
    this.onProgress = onProgress;
    this.buffer = buffer;
    this.journal = journal;
    this.engine = engine;
  }

  get idle(): boolean {
    return this.phase.kind === 'idle';
  }
  /** Whether the engine works for us, so that its completions must be let in. */
  get inFlight(): boolean {
    return this.commits > 0;
  }
  /** Whether the next step can do something at once. */
  get busy(): boolean {
    if (this.phase.kind === 'collecting') return true;
    if (this.phase.kind === 'copying') return this.commits < COMMITS;
    // Nothing need be in flight that would call back: the last slice may have had nothing to put.
    return this.phase.kind === 'syncing' && this.commits === 0 && this.journal.canSync;
  }

  get sealed(): number[] {
    const open = this.buffer.segment(LOG_SEGMENT);
    return this.buffer.segmentsIn(SEG_LOG).filter((segment) => segment !== open);
  }

  /** How many there are. */
  get sealedCount(): number {
    const { buffer } = this;
    return buffer.count(SEG_LOG) - (buffer.segment(LOG_SEGMENT) < 0 ? 0 : 1);
  }

  start(): void {
    const segments = this.sealed;
    if (!this.idle || this.error !== undefined) return;
    if (segments.length === 0) {
      // A predecessor may have ended between the last segment that it confirmed and saying so.
      this.publishConfirmed();
      return;
    }
    this.places.clear();
    this.phase = { kind: 'collecting', segments, at: 0, cursor: this.buffer.firstRecord(segments[0]!) };
  }

  step(): void {
    switch (this.phase.kind) {
      case 'idle':
      case 'confirming':
        return;
      case 'collecting':
        this.collect(this.phase);
        return;
      case 'copying':
        if (this.commits < COMMITS) this.copy(this.phase.segments);
        return;
      case 'syncing':
        if (loadCounter(this.buffer.words, SYNCED) >= this.phase.target) {
          if (this.commits === 0) this.confirm(this.phase.segments);
        } else if (this.journal.write()) {
          this.journal.sync();
        }
        return;
    }
  }

  private collect(phase: Extract<Phase, { kind: 'collecting' }>): void {
    const { buffer, places } = this;
    const { words } = buffer.memory;
    let looked = 0;
    while (phase.at < phase.segments.length && looked < SCAN_BUDGET) {
      const end = buffer.endOf(phase.segments[phase.at]!);
      while (phase.cursor < end && looked < SCAN_BUDGET) {
        const at = phase.cursor;
        phase.cursor += lengthAt(words, at) >>> 2;
        looked++;
        if (buffer.isNewest(at)) places.add(partitionAt(words, at), at);
      }
      if (phase.cursor >= end && ++phase.at < phase.segments.length) {
        phase.cursor = buffer.firstRecord(phase.segments[phase.at]!);
      }
    }
    if (phase.at >= phase.segments.length) this.phase = { kind: 'copying', segments: phase.segments };
  }

  private copy(segments: readonly number[]): void {
    const { words, bytes } = this.buffer.memory;
    let put = 0;
    let putBytes = 0;
    for (let looked = 0; looked < SCAN_BUDGET && put < PUT_BUDGET && putBytes < PUT_BYTES; looked++) {
      const at = this.places.next();
      if (at < 0) break;
      if (!this.buffer.isNewest(at)) continue;
      const key = keyBytesAt(words, bytes, at);
      const length = lengthAt(words, at);
      if (kindAt(words, at) === KIND_REMOVED) {
        this.engine.remove(partitionAt(words, at), bucketAt(words, at), key);
      } else {
        const record = bytes.subarray(at * 4, at * 4 + length);
        this.engine.put(partitionAt(words, at), bucketAt(words, at), key, record);
      }
      put++;
      putBytes += length;
    }
    this.batchRecords += put;
    this.batchBytes += putBytes;
    const done = this.places.empty;
    if (
      this.batchRecords >= COMMIT_RECORDS ||
      this.batchBytes >= COMMIT_BYTES ||
      (done && this.batchRecords > 0)
    ) {
      this.commit(this.engine.state.confirmedSerial, undefined);
    }
    if (done) this.phase = { kind: 'syncing', segments, target: this.buffer.lastSequence };
  }

  private confirm(segments: readonly number[]): void {
    this.phase = { kind: 'confirming', segments };
    const serial = this.buffer.serial(segments[segments.length - 1]!);
    this.commit(serial, () => {
      for (const segment of segments) {
        this.buffer.confirm(segment);
        this.journal.release(segment);
      }
      this.publishConfirmed();
      this.phase = { kind: 'idle' };
    });
  }

  private commit(confirmedSerial: number, then: (() => void) | undefined): void {
    this.commits++;
    this.batchRecords = 0;
    this.batchBytes = 0;
    this.engine.commit({ generation: this.buffer.generation, confirmedSerial }, (error) => {
      this.commits--;
      if (error !== undefined) {
        this.error = error;
        this.phase = { kind: 'idle' };
      } else {
        then?.();
      }
      this.onProgress();
    });
  }

  /** CONFIRMED: everything below the oldest segment that is still log. */
  private publishConfirmed(): void {
    const { buffer } = this;
    const oldest = buffer.segmentsIn(SEG_LOG).find((segment) => buffer.used(segment) > SEGMENT_HEADER_BYTES);
    const position = oldest === undefined ? buffer.lastSequence : buffer.firstSequence(oldest) - 1;
    storeCounter(buffer.words, CONFIRMED, position);
    this.journal.confirmed(position);
  }
}
