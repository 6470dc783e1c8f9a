import { LIMITS } from '../base/limits.js';
import { copyWords } from '../base/memory.js';
import { FLAG_HINT, FRAME_HEADER_WORDS, RECORD_AT, REPLICATE, writeHeader } from '../messaging/frames.js';
import type { Pipeline } from '../storage/pipeline.js';
import { lengthAt } from '../storage/record.js';
import type { VnodeEnvironment } from './environment.js';

/**
 * Who has been sent a copy, (<< 8) which owner it stands for: itself, unless it is a fallback, and
 * whether that one is among the owners, and among those of the other list of a partition that moves.
 */
export type Copy = number;
export const COUNTS = 1 << 16;
export const COUNTS_THERE = 1 << 17;
export const holderOf = (copy: Copy): number => copy & 0xff;
export const ownerOf = (copy: Copy): number => (copy >>> 8) & 0xff;
export const copyFor = (owner: number, holder: number, counts = COUNTS): Copy =>
  holder | (owner << 8) | counts;
/** A copy for the same owner at somebody else. */
export const heldBy = (copy: Copy, holder: number): Copy => (copy & ~0xff) | holder;

/** How a put wants its copies. */
export interface CopyTerms {
  readonly level: number;
  readonly rule: number;
  readonly n: number;
}

/** Sends copies of records to owners, and to fallbacks in their place. */
export class CopySender {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  /** Travels with every copy and back: an acknowledgement meant for an earlier thread counts for nothing. */
  readonly actor: number;

  constructor(env: VnodeEnvironment, pipeline: Pipeline, actor: number) {
    this.env = env;
    this.pipeline = pipeline;
    this.actor = actor | 0;
  }

  send(
    copy: Copy,
    { level, rule, n }: CopyTerms,
    id: number,
    deadlineMs: number,
    words: Int32Array,
    record: number,
  ): void {
    const bytes = lengthAt(words, record);
    const owner = ownerOf(copy);
    const hinted = holderOf(copy) !== owner;
    const untilMs = Math.min(deadlineMs, this.pipeline.turnMs + LIMITS.replicaFrameMs);
    const outbox = this.env.endpoint.to(holderOf(copy));
    const at = outbox.begin(RECORD_AT * 4 + bytes);
    writeHeader(outbox.words, at, REPLICATE, hinted ? FLAG_HINT : 0, id, this.env.ring.epoch, untilMs);
    outbox.words[at + FRAME_HEADER_WORDS] = level | (rule << 8) | (hinted ? (owner << 16) | (n << 24) : 0);
    outbox.words[at + 7] = this.actor;
    copyWords(words, record, outbox.words, at + RECORD_AT, bytes >>> 2);
    outbox.end();
  }
}
