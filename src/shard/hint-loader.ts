import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  aligned,
  bucketAt,
  HINT_BUCKET,
  keyAt,
  keyLengthAt,
  KIND_HINT,
  kindAt,
  partitionAt,
  verifyRecord,
  W_KEY_HASH,
} from '../storage/record.js';
import { COUNT_CORRUPT, type VnodeEnvironment } from './environment.js';
import { decodeHint, nameIn } from './hint-record.js';
import { type Hints, textOf } from './hints.js';

/** Index slots, partitions and hints looked at per turn. */
const SLOTS = 8_192;
const PARTITIONS = 32;
const HINTS = 512;

/**
 * Makes the list of hints anew at a start, a slice per turn: first what stands in the object
 * buffer, then what the engine has. A record only ever moves from the one to the other, so none is
 * missed. What the buffer says of a hint is newer than what the engine says, also that it was let go:
 * one that is listed without a record would be taken for kept (hints.ts), and be gone at the next start.
 * Until it is done, this virtual node is said to hold hints for whom it held some before, and on
 * the first start of a process for everybody.
 */
export class HintLoader {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine | undefined;
  private readonly hints: Hints;
  private table = -1;
  private slot = 0;
  private partition = -1;
  private after: Uint8Array | undefined;
  /** Names of hints whose records are damaged, or whose owners are not in this ring. */
  private unlisted: { readonly partition: number; readonly name: Uint8Array }[] = [];
  done = false;

  constructor(env: VnodeEnvironment, pipeline: Pipeline, engine: Engine | undefined, hints: Hints) {
    this.env = env;
    this.pipeline = pipeline;
    this.engine = engine;
    this.hints = hints;
    // A thread that takes a buffer over finds said what its predecessor held, or more; where nothing is stored, nothing waits.
    if (engine === undefined || pipeline.buffer.index.keys > 0 || engine.state.count === 0) return;
    for (const { ordinal } of env.ring.vnodes) this.announce(ordinal, true);
  }

  private announce(owner: number, holds: boolean): void {
    if (owner !== this.env.ordinal) this.env.holdsHintsFor(owner, holds);
  }

  step(): void {
    if (this.partition < 0) this.walkBuffer();
    else this.scanEngine(this.engine!);
    if (!this.done) return;
    this.hints.waiting.forEach((list, owner) => {
      if (list.size === 0) this.announce(owner, false);
    });
  }

  private walkBuffer(): void {
    const { index, words, memory } = this.pipeline.buffer;
    if (this.table !== index.tableNumber) {
      this.table = index.tableNumber;
      this.slot = 0;
    }
    const end = index.visit(this.slot, SLOTS, (byte) => {
      if (bucketAt(words, byte >>> 2) === HINT_BUCKET) this.list(words, memory.bytes, byte >>> 2);
    });
    this.slot += SLOTS;
    if (!end) return;
    if (this.engine === undefined) this.done = true;
    else this.partition = 0;
  }

  private scanEngine(engine: Engine): void {
    for (let i = 0; i < PARTITIONS && !this.done; i++) {
      let seen = 0;
      engine.scan(this.partition, HINT_BUCKET, this.after, HINTS, (key, record) => {
        seen++;
        this.after = key.slice();
        if (!verifyRecord(record)) {
          this.env.count(COUNT_CORRUPT, 1);
          this.unlisted.push({ partition: this.partition, name: this.after });
          return;
        }
        const { words, bytes } = aligned(record);
        if (!this.isInBuffer(words)) this.list(words, bytes, 0);
      });
      if (seen === HINTS) return;
      this.after = undefined;
      if (!this.remakeUnlisted()) return;
      this.done = ++this.partition === this.env.ring.partitions;
    }
  }

  /** Their copies would stay here for nobody. False if there is no room for a record at the moment. */
  private remakeUnlisted(): boolean {
    for (let next = this.unlisted[0]; next !== undefined; next = this.unlisted[0]) {
      if (this.hints.remake(next.partition, next.name) === 'wait') return false;
      this.unlisted.shift();
    }
    return true;
  }

  private isInBuffer(words: Int32Array): boolean {
    const name = words.subarray(keyAt(words, 0));
    return this.pipeline.buffer.find(words[W_KEY_HASH]!, HINT_BUCKET, name, keyLengthAt(words, 0)) !== 0;
  }

  private list(words: Int32Array, bytes: Uint8Array, at: number): void {
    const name = nameIn(words, bytes, at);
    const owner = this.hints.ownerIn(name);
    if (owner === undefined) {
      if (kindAt(words, at) === KIND_HINT) this.unlisted.push({ partition: partitionAt(words, at), name });
      return;
    }
    const found = decodeHint(this.hints.names[owner]!, words, bytes, at);
    if (found !== undefined) this.hints.add(owner, textOf(name), found.hint, found.madeMs);
  }
}
