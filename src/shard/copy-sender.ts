import { copyWords } from '../base/memory.js';
import { FLAG_HINT, FRAME_HEADER_WORDS, RECORD_AT, REPLICATE, writeHeader } from '../messaging/frames.js';
import { lengthAt } from '../storage/record.js';
import type { VnodeEnvironment } from './environment.js';

/** Who has been sent a copy, and (<< 8) which owner it stands for: itself, unless it is a fallback. */
export type Copy = number;
export const holderOf = (copy: Copy): number => copy & 0xff;
export const ownerOf = (copy: Copy): number => copy >>> 8;
export const copyFor = (owner: number, holder: number): Copy => holder | (owner << 8);

/** How a put wants its copies. */
export interface CopyTerms {
  readonly level: number;
  readonly rule: number;
  readonly n: number;
}

/** Sends copies of records to owners, and to fallbacks in their place. */
export class CopySender {
  private readonly env: VnodeEnvironment;
  /** Travels with every copy and back: an acknowledgement meant for an earlier thread counts for nothing. */
  readonly actor: number;

  constructor(env: VnodeEnvironment, actor: number) {
    this.env = env;
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
    const outbox = this.env.endpoint.to(holderOf(copy));
    const at = outbox.begin(RECORD_AT * 4 + bytes);
    writeHeader(outbox.words, at, REPLICATE, hinted ? FLAG_HINT : 0, id, this.env.ring.epoch, deadlineMs);
    outbox.words[at + FRAME_HEADER_WORDS] = level | (rule << 8) | (hinted ? (owner << 16) | (n << 24) : 0);
    outbox.words[at + 7] = this.actor;
    copyWords(words, record, outbox.words, at + RECORD_AT, bytes >>> 2);
    outbox.end();
  }
}
