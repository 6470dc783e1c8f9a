import { LIMITS } from '../base/limits.js';
import { copyWords } from '../base/memory.js';
import {
  frameRequest,
  frameType,
  HANDOFF,
  HANDOFF_ACK,
  OK,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  RECORD_AT,
  writeHeader,
} from '../messaging/frames.js';
import { keepsCopies } from '../ring/live-ring.js';
import { DURABLE, type Pipeline } from '../storage/pipeline.js';
import { bucketAt, FIXED_WORDS, lengthAt, metasAt, partitionAt } from '../storage/record.js';
import type { Completions } from './completions.js';
import { COUNT_CORRUPT, COUNT_DROPPED, COUNT_HINTS_DELIVERED, type VnodeEnvironment } from './environment.js';
import { holdsRecord } from './frame-record.js';
import type { HintLoader } from './hint-loader.js';
import type { Hints, WaitingHint } from './hints.js';
import type { Replica } from './replica.js';
import type { Service } from './service.js';

/** How long a copy may be on its way; afterwards the frame is dropped, and the copy sent again. */
const LIFETIME_MS = 2_000;
/** How often it is seen whether an owner serves again, and how long one that refused is left alone. */
const LOOK_MS = 20;
const PAUSE_MS = 500;

export interface OnItsWay {
  readonly owner: number;
  /** The owner, or who is one in its place since the ring has changed. */
  readonly to: number;
  readonly text: string;
  readonly hint: WaitingHint;
  /** The clock of the copy that was sent. */
  readonly clock: Int32Array;
  readonly untilMs: number;
}

export interface HandoffParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly replica: Replica;
  readonly completions: Completions;
  readonly hints: Hints;
  readonly loader: HintLoader;
  /** Travels with every copy and back: an answer meant for an earlier thread counts for nothing. */
  readonly actor: number;
}

/**
 * Hinted handoff (paper §4.6), both ends. The holder sends copies to an owner that serves again, a
 * few at a time. The owner merges and answers when that is synced, whatever the bucket's
 * durability: the answer lets another copy go. The holder lets the hint go if the clock of its copy
 * is still the one that was sent; else it sends the new one.
 */
export class HintHandoff implements Service {
  readonly frames = [HANDOFF, HANDOFF_ACK];
  private readonly parts: HandoffParts;
  private readonly actor: number;
  private readonly onItsWay = new Map<number, OnItsWay>();
  /** By owner; 0 or absent: not paused. */
  private readonly pausedMs: number[] = [];
  private nextId = 0;
  private nowMs = 0;
  private published = -1;

  constructor(parts: HandoffParts) {
    this.parts = parts;
    this.actor = parts.actor | 0;
  }

  poll(nowMs: number): number {
    const { hints, loader, pipeline } = this.parts;
    const { admission } = pipeline;
    this.nowMs = nowMs;
    if (!loader.done) {
      admission.slice('handoff', nowMs, () => {
        loader.step();
        return !loader.done;
      });
      return Math.max(nowMs, admission.nextMs);
    }
    this.expire();
    let more = false;
    // What is delivered could not be let go, and would be sent again.
    if (hints.count > 0 && !this.parts.env.retains()) {
      const send = (): boolean => (more = this.send()) && this.onItsWay.size < LIMITS.hintsInFlight;
      if (!admission.slice('handoff', nowMs, send)) more = true;
    }
    if (hints.count !== this.published) {
      this.published = hints.count;
      hints.publish();
    }
    if (hints.count === 0) return Number.POSITIVE_INFINITY;
    return more ? Math.max(nowMs + 1, admission.nextMs) : nowMs + LOOK_MS;
  }

  /** What got no answer is free to be sent again; answers that come later find nothing. */
  private expire(): void {
    for (const [id, { hint, untilMs }] of this.onItsWay) {
      if (this.nowMs < untilMs) return;
      hint.busy = false;
      this.onItsWay.delete(id);
    }
  }

  /** True if there is more that can go soon. */
  private send(): boolean {
    const { env, hints } = this.parts;
    let left: number = LIMITS.hintBytesPerTurn;
    let more = false;
    for (let owner = 0; owner < hints.waiting.length; owner++) {
      const list = hints.waiting[owner]!;
      if (list.size === 0 || this.isPaused(owner)) continue;
      const strayed = hints.stray[owner]! > 0;
      if (!strayed && !env.isServing(owner)) continue;
      for (const [text, hint] of list) {
        if (hint.busy) continue;
        const to = strayed ? this.destination(owner, hint) : owner;
        if (to < 0) continue;
        // Requests go first: hints are given to a transport that has nothing else to do.
        if (to !== env.ordinal && env.endpoint.to(to).waitingBytes > 0) {
          more = true;
          break;
        }
        if (left <= 0 || this.onItsWay.size >= LIMITS.hintsInFlight) return true;
        left -= this.sendOne(owner, to, text, hint);
        if (this.isPaused(owner)) break;
      }
    }
    return more;
  }

  private isPaused(owner: number): boolean {
    return this.nowMs < (this.pausedMs[owner] ?? 0);
  }

  /** The owner, or, where that one is an owner no more, the first of today's that serves; −1 if nobody does. */
  private destination(owner: number, hint: WaitingHint): number {
    const { env, hints } = this.parts;
    const { ring, ordinal } = env;
    if (!hints.strays(owner, hint)) return env.isServing(owner) ? owner : -1;
    const first = hint.partition * ring.preferenceLength;
    const owners = ring.preference.subarray(first, first + hint.n);
    if (owners.includes(ordinal)) return ordinal;
    return owners.find((vnode) => env.isServing(vnode)) ?? -1;
  }

  /** Returns what it takes from the turn's budget. */
  protected sendOne(owner: number, to: number, text: string, hint: WaitingHint): number {
    const { env, hints, replica } = this.parts;
    let copy: number;
    try {
      copy = hints.find(text, hint);
    } catch {
      env.count(COUNT_CORRUPT, 1);
      // An owner's copy comes back by trees. A fallback's does not: with it the hint has nothing to say.
      if (!hints.owns(hint) && hints.release(owner, text, hint)) return 1_024;
      this.postpone(owner, text, hint);
      this.pause(owner);
      return 1_024;
    }
    // What we own ourselves is where it belongs.
    if (copy < 0 || to === env.ordinal) {
      if (!hints.release(owner, text, hint)) this.pause(owner);
      return 1_024;
    }
    const source = replica.wordsOf(copy);
    const bytes = lengthAt(source, copy);
    const outbox = env.endpoint.to(to);
    const at = outbox.begin(RECORD_AT * 4 + bytes);
    const untilMs = this.nowMs + LIFETIME_MS;
    writeHeader(outbox.words, at, HANDOFF, 0, this.nextId, env.ring.epoch, untilMs);
    outbox.words[at + 6] = hint.rule << 8;
    outbox.words[at + 7] = this.actor;
    copyWords(source, copy, outbox.words, at + RECORD_AT, bytes >>> 2);
    outbox.end();
    hint.busy = true;
    this.onItsWay.set(this.nextId, { owner, to, text, hint, clock: clockOf(source, copy), untilMs });
    this.nextId = (this.nextId + 1) >>> 0;
    return bytes;
  }

  private pause(owner: number): void {
    this.pausedMs[owner] = this.nowMs + PAUSE_MS;
  }

  /** To the end of the list. */
  private postpone(owner: number, text: string, hint: WaitingHint): void {
    const list = this.parts.hints.waiting[owner]!;
    if (list.delete(text)) list.set(text, hint);
  }

  readonly receive = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    if (frameType(words, at) === HANDOFF) this.take(from, words, bytes, at);
    else if (words[at + 7] === this.actor) this.answered(from, frameRequest(words, at), words[at + 6]!);
  };

  /** The owner's end. */
  private take(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    const { env, replica, completions } = this.parts;
    if (!holdsRecord(words, at)) {
      env.count(COUNT_DROPPED, 1);
      return;
    }
    const id = frameRequest(words, at);
    const actor = words[at + 7]!;
    const record = at + RECORD_AT;
    const n = env.replicasOf(bucketAt(words, record));
    if (!keepsCopies(env.ring, partitionAt(words, record), n, env.ordinal)) {
      this.answer(from, id, actor, OUT_STALE_RING);
      return;
    }
    const outcome = replica.apply(words, bytes, record, (words[at + 6]! >>> 8) & 0xff);
    if (outcome === 'wait') this.answer(from, id, actor, OUT_OVERLOADED);
    else if ('outcome' in outcome) this.answer(from, id, actor, outcome.outcome);
    else {
      const synced = (): void => this.answer(from, id, actor, OK);
      if (!completions.awaitLevel(outcome.sequence, DURABLE, synced)) synced();
    }
  }

  private answer(to: number, id: number, actor: number, outcome: number): void {
    const { env } = this.parts;
    const outbox = env.endpoint.to(to);
    const at = outbox.begin(RECORD_AT * 4);
    writeHeader(outbox.words, at, HANDOFF_ACK, 0, id, env.ring.epoch, env.clock.nowMs() + LIFETIME_MS);
    outbox.words[at + 6] = outcome;
    outbox.words[at + 7] = actor;
    outbox.end();
  }

  /** The holder's end. */
  private answered(from: number, id: number, outcome: number): void {
    const { env, hints } = this.parts;
    const sent = this.onItsWay.get(id);
    if (sent === undefined || sent.to !== from) return;
    this.onItsWay.delete(id);
    const { owner, text, hint } = sent;
    hint.busy = false;
    if (outcome !== OK) {
      this.postpone(owner, text, hint);
      this.pause(owner);
    } else if (!this.unchanged(sent)) {
      this.postpone(owner, text, hint);
    } else if (hints.release(owner, text, hint)) {
      env.count(COUNT_HINTS_DELIVERED, 1);
    } else {
      this.pause(owner);
    }
  }

  /** Whether the copy has the clock that the owner has acknowledged: a later put may have changed it. */
  protected unchanged({ text, hint, clock }: OnItsWay): boolean {
    const { hints, replica } = this.parts;
    try {
      const copy = hints.find(text, hint);
      if (copy < 0) return true;
      const now = clockOf(replica.wordsOf(copy), copy);
      return now.length === clock.length && now.every((word, i) => word === clock[i]);
    } catch {
      return false;
    }
  }
}

/** Entries of a record: actor, n and the length of the list of each. */
function clockOf(words: Int32Array, record: number): Int32Array {
  return Int32Array.from(words.subarray(record + FIXED_WORDS, metasAt(words, record)));
}
