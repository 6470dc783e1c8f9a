import { paddedWords } from '../../base/memory.js';
import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import {
  aligned,
  bucketAt,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  partitionAt,
  sequenceAt,
  verifyRecord,
  W_KEY_HASH,
} from '../../storage/record.js';
import { hashOfKey } from '../key-name.js';
import { compareBytes } from '../key-list.js';

/** What one step looks at, at most; a slice of background work takes as many steps as there is time for. */
const STEP_RECORDS = 32;
const STEP_BYTES = 64 << 10;
const STEP_SLOTS = 256;

export type RecordVisitor = (words: Int32Array, at: number) => void;

/** Partitions that follow each other: from the first up to, but without, the last. */
interface Range {
  readonly from: number;
  readonly before: number;
}

/**
 * Walks partitions in the engine's order and visits the newest record of each key that the engine
 * has: the buffer's, if that is newer, or the engine's is damaged. What nobody can read is not visited; a
 * peer's copy will be found to be missing here, and replace it.
 */
export class EngineWalk {
  private readonly engine: Engine;
  private readonly pipeline: Pipeline;
  /** Still to be walked, the next one last. */
  private readonly ranges: Range[];
  private partition = 0;
  private bucket = 0;
  private key: Uint8Array | undefined;

  /** @param partitions ascending */
  constructor(engine: Engine, pipeline: Pipeline, partitions: readonly number[]) {
    this.engine = engine;
    this.pipeline = pipeline;
    this.ranges = rangesOf(partitions);
    this.enter();
  }

  private enter(): void {
    this.partition = this.ranges.at(-1)?.from ?? Number.POSITIVE_INFINITY;
    this.bucket = 0;
    this.key = undefined;
  }

  /** True when the end was reached. */
  step(visit: RecordVisitor): boolean {
    const range = this.ranges.at(-1);
    if (range === undefined) return true;
    let records = 0;
    let bytes = 0;
    let more = false;
    const behind = { partition: this.partition, bucket: this.bucket, key: this.key };
    this.engine.walk(behind, range.before, (partition, bucket, key, stored) => {
      this.partition = partition;
      this.bucket = bucket;
      this.key = key.slice();
      records++;
      bytes += stored.length;
      if (verifyRecord(stored)) this.visitNewest(aligned(stored).words, visit);
      else this.visitCached(bucket, this.key, visit);
      more = records >= STEP_RECORDS || bytes >= STEP_BYTES;
      return !more;
    });
    if (more) return false;
    this.ranges.pop();
    this.enter();
    return this.ranges.length === 0;
  }

  /** Readers find it in the buffer, so it is there. */
  private visitCached(bucket: number, key: Uint8Array, visit: RecordVisitor): void {
    const { buffer } = this.pipeline;
    const byte = buffer.find(hashOfKey(key), bucket, paddedWords(key), key.length);
    if (byte !== 0 && kindAt(buffer.words, byte >>> 2) !== KIND_REMOVED) visit(buffer.words, byte >>> 2);
  }

  private visitNewest(stored: Int32Array, visit: RecordVisitor): void {
    const { buffer } = this.pipeline;
    const key = stored.subarray(keyAt(stored, 0));
    const byte = buffer.find(stored[W_KEY_HASH]!, bucketAt(stored, 0), key, keyLengthAt(stored, 0));
    // A copy that was read back has the number 0: the stored one is the same, with its number.
    if (byte === 0 || sequenceAt(buffer.words, byte >>> 2) === 0) visit(stored, 0);
    else if (kindAt(buffer.words, byte >>> 2) !== KIND_REMOVED) visit(buffer.words, byte >>> 2);
  }

  /** Whether the walk has been where this key of one of its partitions stands, or would stand, in the engine. */
  passed(words: Int32Array, at: number): boolean {
    if (partitionAt(words, at) !== this.partition) return partitionAt(words, at) < this.partition;
    if (this.key === undefined) return false;
    if (bucketAt(words, at) !== this.bucket) return bucketAt(words, at) < this.bucket;
    const start = keyAt(words, at) * 4;
    const bytes = new Uint8Array(words.buffer, words.byteOffset + start, keyLengthAt(words, at));
    return compareBytes(bytes, this.key) <= 0;
  }
}

function rangesOf(partitions: readonly number[]): Range[] {
  const ranges: Range[] = [];
  for (const partition of partitions.toReversed()) {
    const next = ranges.at(-1);
    if (next?.from === partition + 1) ranges[ranges.length - 1] = { from: partition, before: next.before };
    else ranges.push({ from: partition, before: partition + 1 });
  }
  return ranges;
}

/**
 * Walks the index, for storage that is the object buffer alone. A new table lies in another order:
 * {@link moved} says so, and the walk must begin anew.
 */
export class IndexWalk {
  private readonly pipeline: Pipeline;
  private readonly table: number;
  private slot = 0;

  constructor(pipeline: Pipeline) {
    this.pipeline = pipeline;
    this.table = pipeline.buffer.index.tableNumber;
  }

  get moved(): boolean {
    return this.pipeline.buffer.index.tableNumber !== this.table;
  }

  /** True when the end was reached. */
  step(visit: RecordVisitor): boolean {
    const { index, words } = this.pipeline.buffer;
    const done = index.visit(this.slot, STEP_SLOTS, (byte) => visit(words, byte >>> 2));
    this.slot += STEP_SLOTS;
    return done;
  }

  /** Whether the walk has been at the slot of the key whose newest record this is; it keeps its slot. */
  passed(words: Int32Array, at: number): boolean {
    return this.pipeline.buffer.index.slotNumber(words[at + W_KEY_HASH]!, at * 4) < this.slot;
  }
}
