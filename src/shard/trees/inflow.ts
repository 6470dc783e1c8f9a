import { OK, OUT_FULL, OUT_TOO_LARGE } from '../../messaging/frames.js';
import { lengthAt, partitionAt, bucketAt, shapeIntact } from '../../storage/record.js';
import { COUNT_DROPPED, type VnodeEnvironment } from '../environment.js';
import type { Replica } from '../replica.js';
import type { TreeSet } from './tree-set.js';

/** Records that came from a peer and wait for room in the log. */
interface Waiting {
  readonly words: Int32Array;
  readonly records: number;
  readonly deadlineMs: number;
  /** Of those before them. */
  readonly outcome: number;
  readonly done: Taken;
}

/** OK, or why not all records were taken: OUT_TOO_LARGE if only those were left out whose versions together are. */
type Taken = (outcome: number) => void;

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
    done: Taken,
    before = OK,
  ): void {
    let word = at;
    let outcome = before;
    for (let left = records; left > 0; left--) {
      const end = word + (lengthAt(words, word) >>> 2);
      const merged = this.merge(words, bytes, word, end);
      if (merged === 'wait') {
        const rest = words.slice(word, lastEnd(words, word, left));
        this.waiting.push({ words: rest, records: left, deadlineMs, outcome, done });
        return;
      }
      if (merged === OUT_TOO_LARGE) {
        outcome = merged;
      } else if (merged !== OK) {
        done(merged);
        return;
      }
      word = end;
    }
    done(outcome);
  }

  private merge(words: Int32Array, bytes: Uint8Array, at: number, end: number): number | 'wait' {
    if (
      !shapeIntact(words, at, end) ||
      this.set.replicasFor(bucketAt(words, at), partitionAt(words, at)) === 0
    ) {
      this.env.count(COUNT_DROPPED, 1);
      return OK;
    }
    const applied = this.replica.apply(words, bytes, at, this.env.ruleOf(bucketAt(words, at)));
    if (applied === 'wait') return 'wait';
    return 'sequence' in applied ? OK : applied.outcome;
  }

  poll(nowMs: number): void {
    for (let i = this.waiting.length; i > 0; i--) {
      const { words, records, deadlineMs, outcome, done } = this.waiting.shift()!;
      if (deadlineMs < nowMs) done(OUT_FULL);
      else this.take(words, new Uint8Array(words.buffer), 0, records, deadlineMs, done, outcome);
    }
  }
}

function lastEnd(words: Int32Array, at: number, records: number): number {
  let word = at;
  for (let i = 0; i < records; i++) word += lengthAt(words, word) >>> 2;
  return word;
}
