import { copyWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  FLAG_HINT,
  FRAME_HEADER_WORDS,
  OK,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_STALE_RING,
  RECORD_AT,
  REPLICATE,
  writeHeader,
} from '../messaging/frames.js';
import type { Pipeline } from '../storage/pipeline.js';
import { ENTRY_WORDS, entriesAt, FIXED_WORDS, lengthAt, recordBytes, wordsFor } from '../storage/record.js';
import type { Completions } from './completions.js';
import { planCopies, type CopyPlan } from './copy-plan.js';
import { COUNT_COORDINATED, type VnodeEnvironment } from './environment.js';
import type { GuestActor } from './guest-actor.js';
import type { Hints } from './hints.js';
import { refuse, type Refusal } from './outcome.js';
import { PutReplies } from './put-replies.js';
import type { PutRequest } from './put-request.js';
import type { Replica } from './replica.js';

/** A put that was made here and waits for other replicas. */
interface InProgress {
  readonly caller: number;
  readonly request: number;
  readonly need: number;
  readonly deadlineMs: number;
  /** The version vector, `entries` pairs, and behind it the key in words. */
  readonly words: Int32Array;
  readonly entries: number;
  readonly total: number;
  readonly hash: number;
  readonly partition: number;
  readonly bucket: number;
  readonly keyBytes: number;
  readonly n: number;
  readonly rule: number;
  readonly level: number;
  readonly ownersOnly: boolean;
  acks: number;
  /** Copies that are not acknowledged yet, the own one included: each counts once, whatever arrives twice. */
  readonly open: Copy[];
  /** Where in the preference list further fallbacks are looked for. */
  next: number;
  /** Owners whose hint there was no room for yet. */
  readonly owed: number[];
  replied: boolean;
}

/** Who has been sent a copy, and (<< 8) which owner it stands for: itself, unless it is a fallback. */
type Copy = number;
const holderOf = (copy: Copy): number => copy & 0xff;
const ownerOf = (copy: Copy): number => copy >>> 8;
const copyFor = (owner: number, holder: number): Copy => holder | (owner << 8);

export interface PutParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly replica: Replica;
  readonly completions: Completions;
  readonly hints: Hints;
  readonly guest: GuestActor;
  /** Makes the dots of keys that this virtual node owns. */
  readonly actor: number;
}

/**
 * Puts at their coordinator (paper §4.5, §4.6, §5): own copy first, then the whole resulting record
 * to the other owners, or to fallbacks for those that do not serve; the caller hears of it when W
 * have it at the asked level. All copies are followed up to the deadline, also when the caller is
 * gone, and what an owner has not acknowledged by then becomes a hint.
 */
export class PutCoordinator {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly replica: Replica;
  private readonly completions: Completions;
  private readonly hints: Hints;
  private readonly guest: GuestActor;
  private readonly replies: PutReplies;
  private readonly dotActor: number;
  /** Travels with every copy and back: an acknowledgement meant for an earlier thread counts for nothing. */
  private readonly actor: number;
  private readonly inProgress = new Map<number, InProgress>();
  private nextId = 0;
  private nextSweepMs = 0;

  constructor({ env, pipeline, replica, completions, hints, guest, actor }: PutParts) {
    this.dotActor = actor;
    this.actor = actor | 0;
    this.env = env;
    this.pipeline = pipeline;
    this.replica = replica;
    this.completions = completions;
    this.hints = hints;
    this.guest = guest;
    this.replies = new PutReplies(env);
  }

  get size(): number {
    return this.inProgress.size;
  }

  /** Why a put cannot begin; checked before it is claimed, so that a refusal leaves nothing behind. */
  obstacle(request: PutRequest): Refusal | undefined {
    const { partition, n, w, ownersOnly } = request;
    const owners = this.serving(partition, 0, n);
    // A fallback coordinates where no owner does: its dots are under actors of their own.
    if (!this.owns(partition, n) && (ownersOnly || owners > 0)) return refuse(OUT_STALE_RING);
    if (owners < w) {
      const { preferenceLength } = this.env.ring;
      const all = ownersOnly ? owners : owners + this.serving(partition, n, preferenceLength);
      if (all < w) return refuse(OUT_QUORUM, all, w);
    }
    if (this.inProgress.size >= LIMITS.coordinations)
      return refuse(OUT_OVERLOADED, this.inProgress.size, LIMITS.coordinations);
    return undefined;
  }

  servingOwners(partition: number, n: number): number {
    return this.serving(partition, 0, n);
  }

  /** How many of a stretch of the preference list serve, this one included. */
  private serving(partition: number, from: number, to: number): number {
    let serving = 0;
    for (let i = from; i < to; i++) {
      const vnode = this.owner(partition, i);
      if (vnode === this.env.ordinal || this.env.isServing(vnode)) serving++;
    }
    return serving;
  }

  private owns(partition: number, n: number): boolean {
    for (let i = 0; i < n; i++) if (this.owner(partition, i) === this.env.ordinal) return true;
    return false;
  }

  owner(partition: number, i: number): number {
    const { ring } = this.env;
    return ring.preference[partition * ring.preferenceLength + i]!;
  }

  private readonly reaches = (vnode: number): boolean =>
    this.env.isServing(vnode) && this.env.endpoint.to(vnode).waitingBytes <= LIMITS.outboxBytes;

  /** Executes a claimed put. `wait`: there is no room yet, try again later. */
  execute(from: number, request: PutRequest, id: number, deadlineMs: number): 'done' | 'wait' {
    const guest = !this.owns(request.partition, request.n);
    const actor = guest ? this.guest.get() : this.dotActor;
    if (actor === undefined) {
      this.refuse(from, id, refuse(OUT_OVERLOADED, 0, 1));
      return 'done';
    }
    const plan = planCopies(this.env, request, guest, this.reaches);
    const obstacle = this.noteOwn(request, plan, guest);
    if (obstacle === 'wait') return 'wait';
    const outcome = obstacle ?? this.replica.coordinate(request, actor);
    if (outcome === 'wait') return 'wait';
    if ('outcome' in outcome) {
      this.refuse(from, id, outcome);
      return 'done';
    }
    this.env.count(COUNT_COORDINATED, 1);
    const { words } = this.pipeline.buffer;
    const open: Copy[] = [];
    for (const owner of plan.owners)
      open.push(this.send(owner, owner, request, deadlineMs, words, outcome.at));
    for (const { owner, holder } of plan.hinted) {
      if (holder !== this.env.ordinal)
        open.push(this.send(holder, owner, request, deadlineMs, words, outcome.at));
    }
    const { level } = request;
    const own = this.nextId;
    const ownWaits = this.completions.awaitLevel(outcome.sequence, level, () =>
      this.acknowledge(own, this.env.ordinal, this.actor, true),
    );
    const entries = entriesAt(words, outcome.at);
    const trail = trailOf(words, outcome.at, entries, request.keyWords);
    this.nextId = (this.nextId + 1) >>> 0;
    if (open.length === 0 && !ownWaits && request.w <= 1) {
      this.replies.send(from, id, OK, 1, request.w, outcome.total, trail, entries);
      return 'done';
    }
    open.push(copyFor(this.env.ordinal, this.env.ordinal));
    const entry: InProgress = {
      caller: from,
      request: id,
      need: request.w,
      deadlineMs,
      words: trail,
      entries,
      total: outcome.total,
      hash: request.hash,
      partition: request.partition,
      bucket: request.bucket,
      keyBytes: request.key.length,
      n: request.n,
      rule: request.rule,
      level,
      ownersOnly: request.ownersOnly,
      acks: 0,
      open,
      next: plan.next,
      owed: [],
      replied: false,
    };
    this.inProgress.set(own, entry);
    if (!ownWaits) this.acknowledge(own, this.env.ordinal, this.actor, true);
    return 'done';
  }

  /** The hints that stay here, before the copy that they speak of. */
  private noteOwn(request: PutRequest, plan: CopyPlan, guest: boolean): Refusal | 'wait' | undefined {
    for (const { owner, holder } of plan.hinted) {
      if (holder !== this.env.ordinal) continue;
      const bytes = recordBytes(1, 1, request.key.length, wordsFor(request.value.length));
      const taken = this.hints.take(owner, request, { ...request, bytes });
      if (taken === 'wait') return 'wait';
      // An owner's copy counts without its hint: repair brings the other one. A fallback's would be lost.
      if (guest && taken !== 'kept')
        return refuse(taken === 'full' ? OUT_OVERLOADED : OUT_FULL, LIMITS.hints);
    }
    return undefined;
  }

  /** Sends a copy to an owner, or to a fallback in its place. */
  private send(
    to: number,
    owner: number,
    { level, rule, n }: Pick<InProgress, 'level' | 'rule' | 'n'>,
    deadlineMs: number,
    words: Int32Array,
    record: number,
    id = this.nextId,
  ): Copy {
    const bytes = lengthAt(words, record);
    const hinted = to !== owner;
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin(RECORD_AT * 4 + bytes);
    writeHeader(outbox.words, at, REPLICATE, hinted ? FLAG_HINT : 0, id, this.env.ring.epoch, deadlineMs);
    outbox.words[at + FRAME_HEADER_WORDS] = level | (rule << 8) | (hinted ? (owner << 16) | (n << 24) : 0);
    outbox.words[at + 7] = this.actor;
    copyWords(words, record, outbox.words, at + RECORD_AT, bytes >>> 2);
    outbox.end();
    return copyFor(owner, to);
  }

  /** A replica has the record at the asked level, or says that it cannot take it. */
  acknowledge(id: number, from: number, actor: number, good: boolean): void {
    const entry = actor === this.actor ? this.inProgress.get(id) : undefined;
    const at = entry?.open.findIndex((copy) => holderOf(copy) === from) ?? -1;
    if (entry === undefined || at < 0) return;
    const [copy] = entry.open.splice(at, 1);
    if (good) entry.acks++;
    else this.replace(id, entry, ownerOf(copy!));
    this.settle(id, entry);
  }

  private settle(id: number, entry: InProgress): void {
    if (!entry.replied && entry.acks >= entry.need) this.finish(entry, OK);
    else if (!entry.replied && entry.acks + entry.open.length < entry.need) this.finish(entry, OUT_QUORUM);
    if (entry.open.length === 0 && entry.owed.length === 0) this.inProgress.delete(id);
  }

  /** Whoever was to take an owner's copy does not: the next fallback gets it, or the hint stays here. */
  private replace(id: number, entry: InProgress, owner: number): void {
    const { ring, ordinal } = this.env;
    const copy = this.ownCopy(entry);
    const end = copy < 0 || entry.ownersOnly ? entry.n : ring.preferenceLength;
    while (entry.next < end) {
      const fallback = this.owner(entry.partition, entry.next++);
      if (fallback === ordinal || !this.reaches(fallback)) continue;
      const words = this.replica.wordsOf(copy);
      entry.open.push(this.send(fallback, owner, entry, entry.deadlineMs, words, copy, id));
      return;
    }
    this.note(entry, owner);
  }

  /** What is stored now: it includes the put. −1 if it cannot be read. */
  private ownCopy({ hash, partition, bucket, words, entries, keyBytes }: InProgress): number {
    const keyWords = words.subarray(entries * 2);
    try {
      return this.replica.read(hash, partition, bucket, keyWords, bytesOf(keyWords, keyBytes));
    } catch {
      return -1;
    }
  }

  private note(entry: InProgress, owner: number): void {
    const { bucket, words, entries, keyBytes } = entry;
    if (owner === this.env.ordinal) return;
    const key = bytesOf(words.subarray(entries * 2), keyBytes);
    const taken = this.hints.take(owner, { bucket, key }, { ...entry, bytes: words.byteLength });
    if (taken === 'wait') entry.owed.push(owner);
  }

  /** Replaces copies at virtual nodes that are gone, and gives up what is past its deadline. Once in a while: this walks the whole map. */
  sweep(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + 50;
    for (const [id, entry] of this.inProgress) {
      for (const owner of entry.owed.splice(0)) this.note(entry, owner);
      if (nowMs >= entry.deadlineMs) this.giveUp(entry);
      else this.replaceGone(id, entry);
      this.settle(id, entry);
    }
  }

  private giveUp(entry: InProgress): void {
    if (!entry.replied) this.finish(entry, OUT_QUORUM);
    for (const copy of entry.open.splice(0)) this.note(entry, ownerOf(copy));
  }

  private replaceGone(id: number, entry: InProgress): void {
    for (let i = entry.open.length - 1; i >= 0; i--) {
      const holder = holderOf(entry.open[i]!);
      if (holder === this.env.ordinal || this.env.isServing(holder)) continue;
      const [copy] = entry.open.splice(i, 1);
      this.replace(id, entry, ownerOf(copy!));
    }
  }

  private finish(entry: InProgress, outcome: number): void {
    entry.replied = true;
    const { caller, request, acks, need, total, words, entries } = entry;
    this.replies.send(caller, request, outcome, acks, need, total, words, entries);
  }

  refuse(to: number, request: number, refusal: Refusal): void {
    this.replies.refuse(to, request, refusal);
  }
}

/** The pairs (actor, n) of a record, and behind them the key. */
function trailOf(words: Int32Array, record: number, entries: number, keyWords: Int32Array): Int32Array {
  const trail = new Int32Array(entries * 2 + keyWords.length);
  for (let i = 0; i < entries; i++) {
    const entry = record + FIXED_WORDS + i * ENTRY_WORDS;
    trail[2 * i] = words[entry]!;
    trail[2 * i + 1] = words[entry + 1]!;
  }
  copyWords(keyWords, 0, trail, entries * 2, keyWords.length);
  return trail;
}

function bytesOf(words: Int32Array, bytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, bytes);
}
