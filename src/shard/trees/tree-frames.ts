import { LIMITS } from '../../base/limits.js';
import { copyWords } from '../../base/memory.js';
import {
  TREE_COMPARE,
  TREE_DIFFER,
  TREE_ENTRY_WORDS,
  TREE_FETCH,
  TREE_KEYS,
  TREE_LIST,
  TREE_PUSH,
  TREE_PUSHED,
  TREE_RECORDS,
  TREE_RECORDS_AT,
  TREE_WORDS_AT,
  writeHeader,
} from '../../messaging/frames.js';
import type { Outbox } from '../../messaging/transport.js';
import {
  COUNT_EXCHANGE_BYTES,
  COUNT_TREE_BYTES,
  COUNT_TREE_KEYS,
  type VnodeEnvironment,
} from '../environment.js';
import type { Listing } from './listing.js';
import type { TreeSet } from './tree-set.js';

/** To whom a frame goes, as part of what, and until when it counts. */
export interface Envelope {
  readonly to: number;
  readonly request: number;
  readonly deadlineMs: number;
}

/** Writes the frames of exchanges; their grammar stands in messaging/frames.ts. */
export class TreeFrames {
  private readonly env: VnodeEnvironment;
  private readonly set: TreeSet;

  constructor(env: VnodeEnvironment, set: TreeSet) {
    this.env = env;
    this.set = set;
  }

  compare(envelope: Envelope, nodes: readonly number[]): void {
    this.write(envelope, TREE_COMPARE, TREE_WORDS_AT + nodes.length * TREE_ENTRY_WORDS, (words, at) => {
      words[at + 6] = nodes.length;
      words[at + 7] = 0;
      let word = at + TREE_WORDS_AT;
      for (const node of nodes) {
        words[word] = node;
        words[word + 1] = this.set.low(node);
        words[word + 2] = this.set.high(node);
        word += TREE_ENTRY_WORDS;
      }
    });
  }

  differ(envelope: Envelope, outcome: number, nodes: number, bits: Int32Array): void {
    this.write(envelope, TREE_DIFFER, TREE_WORDS_AT + bits.length, (words, at) => {
      words[at + 6] = outcome;
      words[at + 7] = nodes;
      copyWords(bits, 0, words, at + TREE_WORDS_AT, bits.length);
    });
  }

  list(envelope: Envelope, nodes: readonly number[]): void {
    this.numbers(envelope, TREE_LIST, 0, nodes);
  }

  /** No positions at all: the list may go. */
  fetch(envelope: Envelope, listRequest: number, positions: readonly number[]): void {
    this.numbers(envelope, TREE_FETCH, listRequest, positions);
  }

  private numbers(envelope: Envelope, type: number, second: number, numbers: readonly number[]): void {
    this.write(envelope, type, TREE_WORDS_AT + numbers.length, (words, at) => {
      words[at + 6] = numbers.length;
      words[at + 7] = second | 0;
      for (let i = 0; i < numbers.length; i++) words[at + TREE_WORDS_AT + i] = numbers[i]!;
    });
  }

  keys(
    envelope: Envelope,
    outcome: number,
    list: Listing | undefined,
    from: number,
    to: number,
    end: number,
  ): void {
    this.write(envelope, TREE_KEYS, TREE_RECORDS_AT + (to - from) * TREE_ENTRY_WORDS, (words, at) => {
      words[at + 6] = outcome;
      words[at + 7] = to - from;
      words[at + 8] = from;
      words[at + 9] = end;
      let word = at + TREE_RECORDS_AT;
      for (let i = from; i < to; i++) {
        words[word] = list!.hashAt(i);
        words[word + 1] = list!.lowAt(i);
        words[word + 2] = list!.highAt(i);
        word += TREE_ENTRY_WORDS;
      }
    });
  }

  /** @param done positions that these records answer, or were left out for good */
  records(envelope: Envelope, outcome: number, records: readonly Int32Array[], done: number): void {
    this.page(envelope, TREE_RECORDS, outcome, records, done);
  }
  push(envelope: Envelope, records: readonly Int32Array[]): void {
    this.page(envelope, TREE_PUSH, 0, records, 0);
  }

  private page(
    envelope: Envelope,
    type: number,
    outcome: number,
    records: readonly Int32Array[],
    done: number,
  ): void {
    const total = records.reduce((sum, record) => sum + record.length, 0);
    this.env.count(COUNT_TREE_KEYS, records.length);
    this.env.count(COUNT_TREE_BYTES, total * 4);
    // The records were read just now.
    const deadlineMs = Math.min(envelope.deadlineMs, this.env.clock.nowMs() + LIMITS.replicaFrameMs);
    this.write({ ...envelope, deadlineMs }, type, TREE_RECORDS_AT + total, (words, at) => {
      words[at + 6] = outcome;
      words[at + 7] = records.length;
      words[at + 8] = done;
      words[at + 9] = 0;
      let word = at + TREE_RECORDS_AT;
      for (const record of records) {
        copyWords(record, 0, words, word, record.length);
        word += record.length;
      }
    });
  }

  pushed(envelope: Envelope, outcome: number): void {
    this.write(envelope, TREE_PUSHED, TREE_WORDS_AT, (words, at) => {
      words[at + 6] = outcome;
      words[at + 7] = 0;
    });
  }

  private write(
    { to, request, deadlineMs }: Envelope,
    type: number,
    frameWords: number,
    fill: (words: Int32Array, at: number) => void,
  ): void {
    const outbox: Outbox = this.env.endpoint.to(to);
    const at = outbox.begin(frameWords * 4);
    writeHeader(outbox.words, at, type, 0, request, this.env.ring.epoch, deadlineMs);
    fill(outbox.words, at);
    outbox.end();
    this.env.count(COUNT_EXCHANGE_BYTES, frameWords * 4);
  }
}
