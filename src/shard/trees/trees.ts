import { everyPartition } from '../../ring/ring.js';
import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import type { Completions } from '../completions.js';
import { Damage } from '../damage.js';
import type { VnodeEnvironment } from '../environment.js';
import type { Witness } from '../replica.js';
import { Digest } from './digest.js';
import { EngineRebuild, IndexRebuild, type Rebuild } from './rebuild.js';
import { TreeSet } from './tree-set.js';

const NONE: ReadonlySet<number> = new Set();

/**
 * The trees of a virtual node through its life: rebuilt after a start, then kept with every append,
 * and rebuilt from what is stored whenever they may count what cannot be read any more.
 */
export class Trees implements Witness {
  readonly set: TreeSet;
  private rebuild: Rebuild | undefined;
  private readonly rebuildOf: (partitions: ReadonlySet<number>) => Rebuild;
  private readonly all: ReadonlySet<number>;
  /** Partitions whose trees the rebuild makes. */
  private rebuilding: ReadonlySet<number>;
  private doubted = false;
  readonly damage = new Damage(() => this.doubt());
  /** Stored records that count in no tree, by digest: tombstones about to go (shard/reaping). */
  private readonly hidden = new Set<number>();
  private readonly digest = new Digest();

  constructor(
    env: VnodeEnvironment,
    pipeline: Pipeline,
    engine: Engine | undefined,
    completions: Completions,
  ) {
    this.set = new TreeSet(env);
    this.all = new Set(everyPartition(env.ring));
    this.rebuildOf = (partitions) =>
      engine === undefined
        ? new IndexRebuild(this.set, pipeline, partitions)
        : new EngineRebuild(this.set, pipeline, engine, completions, partitions);
    this.rebuild = this.rebuildOf(this.all);
    this.rebuilding = this.all;
  }

  /** Other trees may be kept from now on; true if there are new ones, which are built then. */
  ringChanged(): boolean {
    const gained = this.set.ringChanged();
    if (gained.length === 0) return false;
    // Which trees hidden tombstones belong to nobody knows.
    if (this.hidden.size > 0) this.begin(this.all);
    else this.begin(new Set([...this.rebuilding, ...gained]));
    return true;
  }

  private begin(partitions: ReadonlySet<number>): void {
    this.set.clear(partitions);
    this.hidden.clear();
    this.rebuilding = partitions;
    this.rebuild = this.rebuildOf(partitions);
  }

  /** Whether they stand for everything that is stored here; before, nobody may compare them. */
  get usable(): boolean {
    return this.rebuild === undefined && !this.doubted;
  }

  replaced(before: Int32Array | undefined, beforeAt: number, words: Int32Array, at: number): void {
    if (this.rebuild !== undefined) {
      this.rebuild.replaced(before, beforeAt, words, at);
      return;
    }
    if (this.hidden.size > 0 && before !== undefined && this.forget(before, beforeAt)) before = undefined;
    if (before === undefined) this.set.change(1, words, at);
    else this.set.replace(before, beforeAt, words, at);
  }

  unreadable(bucket: number, key: Uint8Array): void {
    this.damage.found(bucket, key);
  }

  tookUnknown(bucket: number, key: Uint8Array): void {
    this.damage.replaced(bucket, key);
  }

  /** They may count records that are not there: they are made anew from what is, once more if that is under way. */
  doubt(): void {
    this.doubted = true;
  }

  /** Takes a stored record out of the trees; it comes back with {@link show}, or is replaced or {@link forget}ten. */
  hide(words: Int32Array, at: number): void {
    if (this.isHidden(words, at)) return;
    this.hidden.add(this.digest.number);
    this.set.change(-1, words, at);
  }

  show(words: Int32Array, at: number): void {
    if (this.forget(words, at)) this.set.change(1, words, at);
  }

  /** The hidden record is gone; false if it was not hidden. */
  forget(words: Int32Array, at: number): boolean {
    return this.isHidden(words, at) && this.hidden.delete(this.digest.number);
  }

  /** Whether a record counts in no tree: nobody is to be sent it. */
  hides(words: Int32Array, at: number): boolean {
    return this.hidden.size > 0 && this.isHidden(words, at);
  }

  private isHidden(words: Int32Array, at: number): boolean {
    this.digest.ofRecord(words, at);
    return this.hidden.has(this.digest.number);
  }

  /** A rebuild waits for what was appended before it to arrive in the engine: a step would do nothing. */
  get waiting(): boolean {
    return this.rebuild?.waiting === true;
  }

  /** Moves a rebuild on by a step; true if it can go on at once. */
  step(): boolean {
    const outcome = this.rebuild?.step() ?? 'done';
    if (outcome !== 'done') return outcome === 'more';
    this.rebuild = undefined;
    this.rebuilding = NONE;
    if (!this.doubted) return false;
    this.doubted = false;
    this.begin(this.all);
    return true;
  }
}
