import { LIMITS } from '../base/limits.js';
import { copyWords } from '../base/memory.js';
import {
  ABSENT,
  FLAG_EVERY,
  FLAG_PARTIAL,
  FLAG_SETTLED,
  frameFlags,
  frameRequest,
  GET_FIXED_WORDS,
  GET_REPLY,
  OK,
  OUT_CORRUPT,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  RECORD_AT,
  writeHeader,
} from '../messaging/frames.js';
import { keepsCopies } from '../ring/live-ring.js';
import { lengthAt } from '../storage/record.js';
import type { Completions } from './completions.js';
import { COUNT_CORRUPT, COUNT_DROPPED, COUNT_READS, type VnodeEnvironment } from './environment.js';
import type { Rebuilding } from './rebuilding.js';
import type { Replica } from './replica.js';
import type { Scanner } from './scanner.js';

export interface ReadParts {
  readonly env: VnodeEnvironment;
  readonly completions: Completions;
  readonly replica: Replica;
  readonly rebuilding: Rebuilding;
  readonly scanner: Scanner;
}

/** Says what this virtual node itself has: of one key, or page by page. */
export class ReadAnswers {
  private readonly env: VnodeEnvironment;
  private readonly completions: Completions;
  private readonly replica: Replica;
  private readonly rebuilding: Rebuilding;
  private readonly scanner: Scanner;

  constructor({ env, completions, replica, rebuilding, scanner }: ReadParts) {
    this.env = env;
    this.completions = completions;
    this.replica = replica;
    this.rebuilding = rebuilding;
    this.scanner = scanner;
  }

  get(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    this.env.count(COUNT_READS, 1);
    const keyBytes = words[at + 9]! & 0xffff;
    const keyAt = at + GET_FIXED_WORDS;
    const key = bytes.subarray(keyAt * 4, keyAt * 4 + keyBytes);
    const keyWords = words.subarray(keyAt, keyAt + ((keyBytes + 3) >>> 2));
    const outbox = this.env.endpoint.to(from);
    let record = -1;
    let outcome = ABSENT;
    if (outbox.waitingBytes > LIMITS.outboxBytes) {
      outcome = OUT_OVERLOADED;
    } else {
      try {
        record = this.replica.read(
          words[at + 7]!,
          words[at + 8]! >>> 16,
          words[at + 8]! & 0xffff,
          keyWords,
          key,
        );
        if (record > 0 && this.env.caches !== undefined) this.replica.noteRead(record);
        if (record >= 0) outcome = OK;
      } catch {
        this.env.count(COUNT_CORRUPT, 1);
        outcome = OUT_CORRUPT;
      }
    }
    const source = record < 0 ? words : this.replica.wordsOf(record);
    const flags = this.rebuilding.partial ? FLAG_PARTIAL : 0;
    const length = record < 0 ? 0 : lengthAt(source, record);
    const request = frameRequest(words, at);
    const reply = outbox.begin(RECORD_AT * 4 + length);
    writeHeader(outbox.words, reply, GET_REPLY, flags, request, this.env.ring.epoch, 0);
    outbox.words[reply + 6] = outcome;
    outbox.words[reply + 7] = words[at + 6]!;
    copyWords(source, record, outbox.words, reply + RECORD_AT, length >>> 2);
    outbox.end();
  }

  scan(from: number, words: Int32Array, bytes: Uint8Array, at: number, deadlineMs: number): void {
    const every = (frameFlags(words, at) & FLAG_EVERY) !== 0;
    // It was asked of an earlier thread, which had everything; the caller asks again.
    if (this.rebuilding.partial && !every) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    const afterBytes = words[at + 9]! & 0xffff;
    const start = (at + GET_FIXED_WORDS) * 4;
    const partition = words[at + 8]! >>> 16;
    const n = this.env.replicasOf(words[at + 8]! & 0xffff);
    if (!every && !keepsCopies(this.env.ring, partition, n, this.env.ordinal)) {
      this.scanner.refuse(from, frameRequest(words, at), OUT_STALE_RING);
      return;
    }
    const request = {
      from,
      id: frameRequest(words, at),
      partition,
      bucket: words[at + 8]! & 0xffff,
      limit: Math.min(words[at + 6]!, LIMITS.scanPage),
      maxBytes: words[at + 7]!,
      after: bytes.slice(start, start + afterBytes),
      deadlineMs,
      every,
    };
    const settled = (frameFlags(words, at) & FLAG_SETTLED) !== 0;
    if (settled || !this.completions.awaitEngine(() => this.scanner.arrived(request)))
      this.scanner.begin(request);
    else this.scanner.expect(request);
  }
}
