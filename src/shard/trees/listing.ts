import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { paddedWords } from '../../base/memory.js';
import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import { bucketAt, keyAt, keyLengthAt, lengthAt, partitionAt, W_KEY_HASH } from '../../storage/record.js';
import type { Completions } from '../completions.js';
import type { Replica } from '../replica.js';
import { Digest } from './digest.js';
import { partitionOfNode } from './nodes.js';
import type { Trees } from './trees.js';
import { EngineWalk, IndexWalk } from './walks.js';

interface Named {
  readonly hash: number;
  readonly low: number;
  readonly high: number;
  readonly bucket: number;
  readonly partition: number;
  readonly key: Uint8Array;
}

interface Parts {
  readonly trees: Trees;
  readonly pipeline: Pipeline;
  readonly engine: Engine | undefined;
  readonly completions: Completions;
  readonly replica: Replica;
}

/**
 * The keys below some nodes with the digests of what is stored for them, collected a little at a time. What is written meanwhile may be in it or not: a key that is sent in vain changes nothing.
 */
export class Listing {
  /** There is more than one exchange may hold: take fewer nodes. */
  cut = false;
  done = false;
  private readonly parts: Parts;
  private readonly nodes: ReadonlySet<number>;
  private readonly partitions: number[];
  private readonly digest = new Digest();
  private entries: Named[] = [];
  private keyBytes = 0;
  private walk: EngineWalk | IndexWalk | undefined;
  private arrived = false;

  constructor(parts: Parts, nodes: readonly number[]) {
    this.parts = parts;
    this.nodes = new Set(nodes);
    this.partitions = [...new Set(nodes.map(partitionOfNode))].sort((a, b) => b - a);
    const waits = parts.completions.awaitEnginePatiently(() => {
      this.arrived = true;
    });
    if (!waits) this.arrived = true;
  }

  /** What is to be listed is on its way to the engine: until it has arrived a step does nothing. */
  get waiting(): boolean {
    return !this.arrived;
  }

  get length(): number {
    return this.entries.length;
  }
  hashAt(i: number): number {
    return this.entries[i]!.hash;
  }
  lowAt(i: number): number {
    return this.entries[i]!.low;
  }
  highAt(i: number): number {
    return this.entries[i]!.high;
  }

  /** True if there is more to do at once. */
  step(): boolean {
    if (this.done || !this.arrived) return false;
    if (this.walk instanceof IndexWalk && this.walk.moved) this.beginAnew();
    const walk = (this.walk ??= this.nextWalk());
    if (walk === undefined) {
      this.done = true;
      return false;
    }
    const ended = walk.step(this.visit);
    if (ended) this.walk = undefined;
    if (this.cut) this.done = true;
    return !this.done;
  }

  /** With an engine a range per partition, else everything at once. */
  private nextWalk(): EngineWalk | IndexWalk | undefined {
    const { engine, pipeline } = this.parts;
    const partition = this.partitions.pop();
    if (partition === undefined) return undefined;
    if (engine !== undefined) return new EngineWalk(engine, pipeline, [partition]);
    this.partitions.length = 0;
    return new IndexWalk(pipeline);
  }

  private beginAnew(): void {
    this.entries = [];
    this.keyBytes = 0;
    this.walk = new IndexWalk(this.parts.pipeline);
  }

  private readonly visit = (words: Int32Array, at: number): void => {
    const { trees } = this.parts;
    if (!trees.set.isBelow(this.nodes, words, at) || trees.hides(words, at)) return;
    if (this.entries.length >= LIMITS.treeListedKeys || this.keyBytes >= LIMITS.treeListedBytes) {
      this.cut = true;
      return;
    }
    this.digest.ofRecord(words, at);
    const keyBytes = keyLengthAt(words, at);
    this.keyBytes += keyBytes;
    this.entries.push({
      hash: words[at + W_KEY_HASH]!,
      low: this.digest.low,
      high: this.digest.high,
      bucket: bucketAt(words, at),
      partition: partitionAt(words, at),
      key: new Uint8Array(words.buffer, words.byteOffset + keyAt(words, at) * 4, keyBytes).slice(),
    });
  };

  /** A copy of what is stored for a key of the list now; undefined if it cannot be read. */
  recordAt(i: number): Int32Array | undefined {
    const { replica, trees } = this.parts;
    const entry = this.entries[i];
    if (entry === undefined) return undefined;
    const { hash, partition, bucket, key } = entry;
    try {
      const at = replica.read(hash, partition, bucket, paddedWords(key), key);
      if (at < 0) return undefined;
      const words = replica.wordsOf(at);
      if (trees.hides(words, at)) return undefined;
      return Int32Array.from(words.subarray(at, at + (lengthAt(words, at) >>> 2)));
    } catch (error) {
      if (error instanceof RingletError && error.code === 'DATA_CORRUPT') return undefined;
      throw error;
    }
  }
}

/** A page of records for one frame: from `at` on, as many as fit. */
export interface Page {
  readonly records: Int32Array[];
  /** The next place that is not in it. */
  readonly next: number;
}

/** Collects records by position until a frame is full; the caller may leave out what is not needed. */
export function collectPage(
  list: Listing,
  positions: readonly number[],
  from: number,
  wanted: (record: Int32Array) => boolean,
): Page {
  const records: Int32Array[] = [];
  let bytes = 0;
  let next = from;
  const end = Math.min(positions.length, from + LOOKED_AT);
  for (; next < end && bytes < LIMITS.treePageBytes; next++) {
    const record = list.recordAt(positions[next]!);
    if (record === undefined || !wanted(record)) continue;
    records.push(record);
    bytes += record.byteLength;
  }
  return { records, next };
}

/** Records read for one frame: each may be a read of the engine. */
const LOOKED_AT = 128;
