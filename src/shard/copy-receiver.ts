import {
  FLAG_HINT,
  FLAG_REPAIR,
  frameFlags,
  frameRequest,
  OK,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  RECORD_AT,
  REPLICATE_ACK,
  writeHeader,
} from '../messaging/frames.js';
import { keepsCopies } from '../ring/live-ring.js';
import { type Level, ONE_DURABLE, type Pipeline } from '../storage/pipeline.js';
import { bucketAt, lengthAt, partitionAt, W_KEY_HASH } from '../storage/record.js';
import type { Completions } from './completions.js';
import { COUNT_DROPPED, COUNT_REPAIRED, COUNT_REPLICATED, type VnodeEnvironment } from './environment.js';
import { holdsRecord } from './frame-record.js';
import { nameIn } from './hint-record.js';
import type { Hints, Taken } from './hints.js';
import type { Replica } from './replica.js';

export interface CopyParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly replica: Replica;
  readonly hints: Hints;
}

/** Takes the copies that coordinators and readers send (copy-sender.ts), and acknowledges those of coordinators. */
export class CopyReceiver {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly completions: Completions;
  private readonly replica: Replica;
  private readonly hints: Hints;

  constructor({ env, pipeline, completions, replica, hints }: CopyParts) {
    this.env = env;
    this.pipeline = pipeline;
    this.completions = completions;
    this.replica = replica;
    this.hints = hints;
  }

  /** Returns false if it must be tried again when there is room. */
  take(from: number, words: Int32Array, bytes: Uint8Array, at: number): boolean {
    const id = frameRequest(words, at);
    const record = at + RECORD_AT;
    if (!holdsRecord(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return true;
    }
    const level = (words[at + 6]! & 0xff) as Level;
    const rule = (words[at + 6]! >>> 8) & 0xff;
    const repair = (frameFlags(words, at) & FLAG_REPAIR) !== 0;
    const isHinted = (frameFlags(words, at) & FLAG_HINT) !== 0;
    if (!isHinted && !this.keeps(words, record)) {
      if (!repair) this.acknowledge(from, id, words[at + 7]!, OUT_STALE_RING);
      return true;
    }
    let hinted = 0;
    if (isHinted) {
      const taken = this.takeHint(words, bytes, at, rule);
      if (taken === 'wait') return false;
      if (taken !== 'kept') {
        this.acknowledge(from, id, words[at + 7]!, OUT_OVERLOADED);
        return true;
      }
      // A copy that is here already says nothing of its hint.
      hinted = this.pipeline.buffer.lastSequence;
    }
    const outcome = this.replica.apply(words, bytes, record, rule);
    if (outcome === 'wait') return false;
    this.env.count(repair ? COUNT_REPAIRED : COUNT_REPLICATED, 1);
    if (repair) return true;
    const actor = words[at + 7]!;
    if ('outcome' in outcome) {
      this.acknowledge(from, id, actor, outcome.outcome);
      return true;
    }
    const reached = (): void => this.acknowledge(from, id, actor, OK);
    const sequence = Math.max(outcome.sequence, hinted);
    if (level === ONE_DURABLE) this.pipeline.hasten(sequence);
    if (!this.completions.awaitLevel(sequence, level, reached)) reached();
    return true;
  }

  /** There is no room, not even to wait in. */
  refuse(from: number, words: Int32Array, at: number): void {
    this.acknowledge(from, frameRequest(words, at), words[at + 7]!, OUT_OVERLOADED);
  }

  /** Whether this virtual node is among those who keep copies of a record. */
  private keeps(words: Int32Array, record: number): boolean {
    const n = this.env.replicasOf(bucketAt(words, record));
    return keepsCopies(this.env.ring, partitionAt(words, record), n, this.env.ordinal);
  }

  /** Before the copy that a fallback keeps for an owner: which owner that is. */
  private takeHint(words: Int32Array, bytes: Uint8Array, at: number, rule: number): Taken {
    const record = at + RECORD_AT;
    const owner = (words[at + 6]! >>> 16) & 0xff;
    if (owner === this.env.ordinal) return 'kept';
    if (owner >= this.env.ring.vnodes.length) return 'failed';
    const key = { bucket: bucketAt(words, record), key: nameIn(words, bytes, record) };
    return this.hints.take(owner, key, {
      hash: words[record + W_KEY_HASH]!,
      partition: partitionAt(words, record),
      n: Math.min(words[at + 6]! >>> 24, this.env.ring.preferenceLength),
      rule,
      bytes: lengthAt(words, record),
    });
  }

  private acknowledge(to: number, request: number, actor: number, outcome: number): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin(RECORD_AT * 4);
    writeHeader(outbox.words, at, REPLICATE_ACK, 0, request, this.env.ring.epoch, 0);
    outbox.words[at + 6] = outcome;
    outbox.words[at + 7] = actor;
    outbox.end();
  }
}
