import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import { bucketAt, keyBytesAt, partitionAt, sequenceAt, W_GENERATION } from '../../storage/record.js';
import type { Completions } from '../completions.js';
import type { TreeSet } from './tree-set.js';
import { EngineWalk, IndexWalk } from './walks.js';

/**
 * What is walked has to arrive in the engine first. That calls back, in the turn in which it is known; so
 * often it is looked all the same whether there is anything to wait for still.
 */
export const ARRIVAL_MS = 20;

/**
 * Fills the trees of some partitions, or of all after a start, while writes go on; those of the others
 * stand. Whatever happens meanwhile, a key is *counted* at most once: its newest record is in the trees if
 * and only if the key is counted, and at the end all are. The two ways differ in how they tell whether a key is counted.
 */
export interface Rebuild {
  /** What it is to count is on its way: until that has arrived a step does nothing. */
  readonly waiting: boolean;
  /** Does a little; `done` when all keys are counted. */
  step(): 'done' | 'more' | 'waiting';
  /** A record was appended at `at` in place of `before`, which is undefined for a new key. */
  replaced(before: Int32Array | undefined, beforeAt: number, words: Int32Array, at: number): void;
}

/**
 * With an engine: waits until all that was appended before has arrived there, then walks it.
 *
 * A record of an earlier time is counted when the walk has passed its place. A record that was
 * appended since carries a sequence number above `since` in this generation; it is counted at its
 * append, and the walk leaves it out wherever it meets it. So a key that is new needs no list of
 * its own, whether the checkpoint brings it before or behind the walk, and a key's first new record
 * takes the old one out only if the walk had been there.
 */
export class EngineRebuild implements Rebuild {
  private readonly set: TreeSet;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine;
  private readonly walk: EngineWalk;
  private readonly partitions: ReadonlySet<number>;
  private readonly since: number;
  private arrived: boolean;

  constructor(
    set: TreeSet,
    pipeline: Pipeline,
    engine: Engine,
    completions: Completions,
    partitions: ReadonlySet<number>,
  ) {
    this.set = set;
    this.pipeline = pipeline;
    this.engine = engine;
    this.partitions = partitions;
    this.walk = new EngineWalk(
      engine,
      pipeline,
      [...partitions].sort((a, b) => a - b),
    );
    this.since = pipeline.buffer.lastSequence;
    this.arrived = false;
    const waits = completions.awaitEnginePatiently(() => {
      this.arrived = true;
    });
    if (!waits) this.arrived = true;
  }

  get waiting(): boolean {
    return !this.arrived;
  }

  step(): 'done' | 'more' | 'waiting' {
    if (!this.arrived) return 'waiting';
    const ended = this.walk.step((words, at) => {
      if (!this.isNew(sequenceAt(words, at), words[at + W_GENERATION]!)) this.set.change(1, words, at);
    });
    return ended ? 'done' : 'more';
  }

  replaced(before: Int32Array | undefined, beforeAt: number, words: Int32Array, at: number): void {
    if (before !== undefined && this.counted(before, beforeAt)) this.set.change(-1, before, beforeAt);
    this.set.change(1, words, at);
  }

  private counted(words: Int32Array, at: number): boolean {
    if (!this.partitions.has(partitionAt(words, at))) return true;
    const sequence = sequenceAt(words, at);
    const isNew =
      sequence === 0 ? this.storedIsNew(words, at) : this.isNew(sequence, words[at + W_GENERATION]!);
    return isNew || this.walk.passed(words, at);
  }

  private isNew(sequence: number, generation: number): boolean {
    return generation === this.pipeline.buffer.generation && sequence > this.since;
  }

  /** A copy that was read back from the engine has lost its number; the record there has it still. */
  private storedIsNew(words: Int32Array, at: number): boolean {
    const key = keyBytesAt(words, this.pipeline.buffer.memory.bytes, at);
    const stored = this.engine.get(partitionAt(words, at), bucketAt(words, at), key);
    if (stored === undefined) return false;
    const head = new Int32Array(stored.slice(0, 32).buffer);
    return this.isNew(sequenceAt(head, 0), head[W_GENERATION]!);
  }
}

/** Without an engine: walks the index. A key is counted when its slot, which it keeps, has been passed. */
export class IndexRebuild implements Rebuild {
  private readonly set: TreeSet;
  private readonly pipeline: Pipeline;
  private readonly partitions: ReadonlySet<number>;
  private walk: IndexWalk;
  readonly waiting = false;

  constructor(set: TreeSet, pipeline: Pipeline, partitions: ReadonlySet<number>) {
    this.set = set;
    this.pipeline = pipeline;
    this.partitions = partitions;
    this.walk = new IndexWalk(pipeline);
  }

  step(): 'done' | 'more' {
    this.beginAnewIfMoved();
    const ended = this.walk.step((words, at) => {
      if (this.partitions.has(partitionAt(words, at))) this.set.change(1, words, at);
    });
    return ended ? 'done' : 'more';
  }

  replaced(before: Int32Array | undefined, beforeAt: number, words: Int32Array, at: number): void {
    this.beginAnewIfMoved();
    if (this.partitions.has(partitionAt(words, at)) && !this.walk.passed(words, at)) return;
    if (before !== undefined) this.set.change(-1, before, beforeAt);
    this.set.change(1, words, at);
  }

  private beginAnewIfMoved(): void {
    if (!this.walk.moved) return;
    this.set.clear(this.partitions);
    this.walk = new IndexWalk(this.pipeline);
  }
}
