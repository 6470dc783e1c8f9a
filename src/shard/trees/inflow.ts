import { lengthAt, partitionAt, bucketAt, shapeIntact } from '../../storage/record.js';
import { COUNT_DROPPED, type VnodeEnvironment } from '../environment.js';
import type { Replica } from '../replica.js';
import type { TreeSet } from './tree-set.js';

/** Records that came from a peer and wait for room in the log. */
interface Waiting {
  readonly words: Int32Array;
  readonly records: number;
  readonly deadlineMs: number;
  readonly done: (good: boolean) => void;
}

/** Merges records that peers sent: always by `sync`, never over what stands here. */
export class Inflow {
  private readonly env: VnodeEnvironment;
  private readonly replica: Replica;
  private readonly set: TreeSet;
  /** At most one page per peer and one for our own exchange: nobody sends the next before the last is taken. */
  private readonly waiting: Waiting[] = [];

  constructor(env: VnodeEnvironment, replica: Replica, set: TreeSet) {
    this.env = env;
    this.replica = replica;
    this.set = set;
  }

  get busy(): boolean {
    return this.waiting.length > 0;
  }

  /** Takes records that stand one behind the other; `done` is called once, at once if there is room. */
  take(
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    records: number,
    deadlineMs: number,
    done: (good: boolean) => void,
  ): void {
    let word = at;
    for (let left = records; left > 0; left--) {
      const end = word + (lengthAt(words, word) >>> 2);
      const outcome = this.merge(words, bytes, word, end);
      if (outcome === 'refused') {
        done(false);
        return;
      }
      if (outcome === 'wait') {
        this.waiting.push({
          words: words.slice(word, lastEnd(words, word, left)),
          records: left,
          deadlineMs,
          done,
        });
        return;
      }
      word = end;
    }
    done(true);
  }

  private merge(words: Int32Array, bytes: Uint8Array, at: number, end: number): 'done' | 'wait' | 'refused' {
    if (
      !shapeIntact(words, at, end) ||
      this.set.replicasFor(bucketAt(words, at), partitionAt(words, at)) === 0
    ) {
      this.env.count(COUNT_DROPPED, 1);
      return 'done';
    }
    const outcome = this.replica.apply(words, bytes, at, this.env.ruleOf(bucketAt(words, at)));
    if (outcome === 'wait') return 'wait';
    return 'sequence' in outcome ? 'done' : 'refused';
  }

  poll(nowMs: number): void {
    for (let i = this.waiting.length; i > 0; i--) {
      const { words, records, deadlineMs, done } = this.waiting.shift()!;
      if (deadlineMs < nowMs) done(false);
      else this.take(words, new Uint8Array(words.buffer), 0, records, deadlineMs, done);
    }
  }
}

function lastEnd(words: Int32Array, at: number, records: number): number {
  let word = at;
  for (let i = 0; i < records; i++) word += lengthAt(words, word) >>> 2;
  return word;
}
