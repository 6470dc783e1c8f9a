import { LIMITS } from '../base/limits.js';
import {
  ABSENT,
  FLAG_PARTIAL,
  frameDeadline,
  frameFlags,
  frameRequest,
  frameType,
  IF_NOTHING,
  NO_CALLER,
  OK,
  OUT_FULL,
  OUT_OVERLOADED,
  PUT,
  RECORD_AT,
} from '../messaging/frames.js';
import { bytesOf, type ConditionalPuts } from './conditional-puts.js';
import type { CopyReceiver } from './copy-receiver.js';
import { COUNT_DROPPED, type VnodeEnvironment } from './environment.js';
import { holdsRecord } from './frame-record.js';
import { refuse } from './outcome.js';
import type { PutCoordinator } from './put-coordinator.js';
import { readPut } from './put-request.js';
import type { Replica } from './replica.js';

/** A frame that waits for room in the log. */
interface Parked {
  readonly from: number;
  readonly words: Int32Array;
  /** A put that was claimed already. */
  readonly claimed: boolean;
  readonly deadlineMs: number;
}

export interface WriteParts {
  readonly env: VnodeEnvironment;
  readonly replica: Replica;
  readonly puts: PutCoordinator;
  readonly conditional: ConditionalPuts;
  readonly copies: CopyReceiver;
}

/**
 * Takes writes, puts and copies, in the order in which they came: what finds no room in the log waits, and
 * so does whatever comes behind it. A put is refused or claimed before it is executed, and claimed once.
 */
export class WriteIntake {
  private readonly env: VnodeEnvironment;
  private readonly replica: Replica;
  private readonly puts: PutCoordinator;
  private readonly conditional: ConditionalPuts;
  private readonly copies: CopyReceiver;
  private readonly parked: Parked[] = [];
  private parkedBytes = 0;

  constructor({ env, replica, puts, conditional, copies }: WriteParts) {
    this.env = env;
    this.replica = replica;
    this.puts = puts;
    this.conditional = conditional;
    this.copies = copies;
  }

  /** Whether writes wait for room. */
  get waiting(): boolean {
    return this.parked.length > 0;
  }

  /** A PUT or REPLICATE frame. */
  accept(from: number, words: Int32Array, bytes: Uint8Array, at: number, deadlineMs: number): void {
    if (this.parked.length > 0) {
      this.park(from, words.slice(at, at + (words[at]! >>> 2)), false, deadlineMs);
      return;
    }
    const isPut = frameType(words, at) === PUT;
    const done = isPut
      ? this.put(from, words, bytes, at, false, deadlineMs)
      : this.copies.take(from, words, bytes, at);
    if (!done) this.park(from, words.slice(at, at + (words[at]! >>> 2)), isPut, deadlineMs);
  }

  /** Returns false if it must be tried again when there is room. */
  private put(
    from: number,
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    claimed: boolean,
    deadlineMs: number,
  ): boolean {
    const request = readPut(words, bytes, at);
    const id = frameRequest(words, at);
    if (!claimed) {
      const refusal = this.puts.obstacle(request);
      if (refusal !== undefined) {
        this.puts.refuse(from, id, refusal);
        return true;
      }
      if (request.condition !== IF_NOTHING) {
        const begun = this.conditional.begin(from, words, at, request, deadlineMs);
        if (begun === undefined) return true;
        if (begun !== 'ready') {
          this.puts.refuse(from, id, begun);
          return true;
        }
      }
      if (!this.claim(request.caller, id)) return true;
    } else if (request.condition !== IF_NOTHING && !this.conditional.decides(request)) {
      // It has waited for room, and the ring has changed: another one decides, and is asked after this answer.
      this.puts.refuse(from, id, refuse(OUT_FULL));
      return true;
    }
    return this.puts.execute(from, request, id, deadlineMs) === 'done';
  }

  private claim(caller: number, id: number): boolean {
    if (caller === NO_CALLER || this.env.claims.claim(caller, id)) return true;
    this.env.count(COUNT_DROPPED, 1);
    return false;
  }

  /** An owner's copy that a conditional put has asked for; when it was the last one, the put is executed. */
  answered(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    const id = frameRequest(words, at);
    const rule = this.conditional.ruleOf(id, words[at + 7]!);
    if (rule === undefined) return;
    const outcome = words[at + 6]!;
    let good = outcome === ABSENT;
    if (outcome === OK && holdsRecord(words, at)) {
      const merged = this.replica.apply(words, bytes, at + RECORD_AT, rule);
      good = typeof merged === 'object' && 'sequence' in merged;
    }
    const partial = (frameFlags(words, at) & FLAG_PARTIAL) !== 0;
    const ready = this.conditional.answered(id, from, good, partial);
    if (ready === undefined) return;
    const request = readPut(ready.words, bytesOf(ready.words), 0);
    const put = frameRequest(ready.words, 0);
    if (!this.claim(request.caller, put)) return;
    const deadlineMs = frameDeadline(ready.words, 0);
    if (this.puts.execute(ready.from, request, put, deadlineMs) === 'wait') {
      this.park(ready.from, ready.words, true, deadlineMs);
    }
  }

  private park(from: number, words: Int32Array, claimed: boolean, deadlineMs: number): void {
    // Beside the first one, which may be longer than all that may wait.
    const besideBytes = this.parkedBytes - (this.parked[0]?.words.byteLength ?? 0);
    const room = this.parked.length === 0 || besideBytes + words.byteLength <= LIMITS.outboxBytes;
    if (room && this.parked.length < LIMITS.coordinations) {
      this.parked.push({ from, words, claimed, deadlineMs });
      this.parkedBytes += words.byteLength;
      return;
    }
    if (frameType(words, 0) === PUT)
      this.puts.refuse(from, frameRequest(words, 0), {
        outcome: OUT_OVERLOADED,
        got: room ? this.parked.length : besideBytes,
        need: room ? LIMITS.coordinations : LIMITS.outboxBytes,
      });
    else this.copies.refuse(from, words, 0);
  }

  /** In order of arrival, as long as there is room; what is past its deadline is refused. */
  retry(nowMs: number): void {
    while (this.parked.length > 0) {
      const { from, words, claimed, deadlineMs } = this.parked[0]!;
      const bytes = bytesOf(words);
      const isPut = frameType(words, 0) === PUT;
      if (deadlineMs < nowMs) {
        // It was not executed, and the caller need not wonder; but another copy of one that is not claimed here may have been.
        if (isPut && (claimed || this.claim(words[6]!, frameRequest(words, 0))))
          this.puts.refuse(from, frameRequest(words, 0), { outcome: OUT_FULL, got: 0, need: 0 });
        this.unpark();
        continue;
      }
      const done = isPut
        ? this.put(from, words, bytes, 0, claimed, deadlineMs)
        : this.copies.take(from, words, bytes, 0);
      if (!done) {
        if (isPut && !claimed) this.parked[0] = { from, words, claimed: true, deadlineMs };
        return;
      }
      this.unpark();
    }
  }

  private unpark(): void {
    this.parkedBytes -= this.parked.shift()!.words.byteLength;
  }
}
