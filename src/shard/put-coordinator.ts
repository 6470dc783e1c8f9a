import { copyWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  OK,
  OUT_CONTEXT,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_STALE_RING,
} from '../messaging/frames.js';
import { isOtherOwner, isOwner, withHolders } from '../ring/live-ring.js';
import { HANDED } from '../ring/ring.js';
import { BUFFERED, ONE_DURABLE, type Pipeline } from '../storage/pipeline.js';
import { ENTRY_WORDS, entriesAt, FIXED_WORDS, recordBytes, wordsFor } from '../storage/record.js';
import type { Completions } from './completions.js';
import { planCopies, type CopyPlan } from './copy-plan.js';
import { type Copy, copyFor, CopySender, COUNTS, COUNTS_THERE } from './copy-sender.js';
import { COUNT_COORDINATED, type VnodeEnvironment } from './environment.js';
import type { GuestActor, OwnActor } from './guest-actor.js';
import type { Hints } from './hints.js';
import { refuse, type Refusal } from './outcome.js';
import { type InProgress, NOBODY, PutProgress } from './put-progress.js';
import { PutReplies } from './put-replies.js';
import type { PutRequest } from './put-request.js';
import type { ApplyOutcome, Replica } from './replica.js';

/** One put of so many is timed for the admission of background work; only those that wait for no disk. */
const SAMPLE_EVERY = 8;

export interface PutParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly replica: Replica;
  readonly completions: Completions;
  readonly hints: Hints;
  readonly guest: GuestActor;
  /** Makes the dots of keys that this virtual node owns. */
  readonly own: OwnActor;
  /** Travels with copies. */
  readonly actor: number;
}

/**
 * Puts at their coordinator (paper §4.5, §4.6, §5): own copy first, then the whole resulting record
 * to the other owners, or to fallbacks for those that do not serve; the caller hears of it when W
 * have it at the asked level (put-progress.ts).
 */
export class PutCoordinator {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly replica: Replica;
  private readonly completions: Completions;
  private readonly hints: Hints;
  private readonly guest: GuestActor;
  private readonly replies: PutReplies;
  private readonly sender: CopySender;
  private readonly progress: PutProgress;
  private readonly own: OwnActor;
  private nextId = 0;

  constructor({ env, pipeline, replica, completions, hints, guest, own, actor }: PutParts) {
    this.own = own;
    this.env = env;
    this.pipeline = pipeline;
    this.replica = replica;
    this.completions = completions;
    this.hints = hints;
    this.guest = guest;
    this.replies = new PutReplies(env);
    this.sender = new CopySender(env, pipeline, actor);
    this.progress = new PutProgress(
      env,
      replica,
      hints,
      this.sender,
      this.replies,
      this.reaches,
      pipeline.admission,
    );
  }

  get size(): number {
    return this.progress.size;
  }

  /** Why a put cannot begin; checked before it is claimed, so that a refusal leaves nothing behind. */
  obstacle(request: PutRequest): Refusal | undefined {
    const { partition, n, w, ownersOnly } = request;
    const owners = this.serving(partition, 0, n);
    // A fallback coordinates where no owner does: its dots are under actors of their own.
    if (!this.coordinates(partition, n) && (ownersOnly || owners > 0)) return refuse(OUT_STALE_RING);
    if (owners < w) {
      const { preferenceLength } = this.env.ring;
      const all = ownersOnly ? owners : owners + this.serving(partition, n, preferenceLength);
      if (all < w) return refuse(OUT_QUORUM, all, w);
    }
    if (this.size >= LIMITS.coordinations) return refuse(OUT_OVERLOADED, this.size, LIMITS.coordinations);
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

  /** An owner does; so does the one of before the handover, for those who have not heard of it. */
  private coordinates(partition: number, n: number): boolean {
    const { ring, ordinal } = this.env;
    if (isOwner(ring, partition, n, ordinal)) return true;
    return ring.moves?.state[partition] === HANDED && isOtherOwner(ring, partition, n, ordinal);
  }

  owner(partition: number, i: number): number {
    const { ring } = this.env;
    return ring.preference[partition * ring.preferenceLength + i]!;
  }

  /** Owners, then whoever else may have copies for them. */
  listOf(partition: number): number[] {
    const { env } = this;
    const { preference, preferenceLength } = env.ring;
    const first = partition * preferenceLength;
    const list = preference.subarray(first, first + preferenceLength);
    const holds = (holder: number, owner: number): boolean =>
      holder !== env.ordinal && env.hasHintsFor(holder, owner);
    return Array.from(withHolders(env.ring, list, preferenceLength, holds));
  }

  private readonly reaches = (vnode: number): boolean =>
    this.env.isServing(vnode) && this.env.endpoint.to(vnode).waitingBytes <= LIMITS.outboxBytes;

  /** For the next dot: another one where a clock may be forgotten (versions.md, trap 3). */
  private actorFor(guest: boolean): number | undefined {
    if (this.replica.forgotClock) {
      this.replica.forgotClock = false;
      this.own.renew();
      this.guest.renew();
    }
    return guest ? this.guest.get() : this.own.get();
  }

  /**
   * Makes the new version. Where a forged context that others took has left our actor no dot of a key, it is made
   * under a fresh one: whoever forged it may lose what is his, and stops nobody else. One that came with this put
   * is refused.
   */
  private make(request: PutRequest, actor: number, guest: boolean): ApplyOutcome {
    const outcome = this.replica.coordinate(request, actor);
    if (outcome === 'wait' || !('outcome' in outcome) || outcome.outcome !== OUT_CONTEXT) return outcome;
    if (!this.replica.isSpent(request, actor)) return outcome;
    (guest ? this.guest : this.own).renew();
    const fresh = this.actorFor(guest);
    return fresh === undefined ? refuse(OUT_OVERLOADED, 0, 1) : this.replica.coordinate(request, fresh);
  }

  /** Executes a claimed put. `wait`: there is no room yet, try again later. */
  execute(from: number, request: PutRequest, id: number, deadlineMs: number): 'done' | 'wait' {
    const guest = !this.coordinates(request.partition, request.n);
    const actor = this.actorFor(guest);
    if (actor === undefined) {
      this.refuse(from, id, refuse(OUT_OVERLOADED, 0, 1));
      return 'done';
    }
    const plan = planCopies(this.env, request, guest, this.reaches);
    const obstacle = this.noteOwn(request, plan, guest);
    if (obstacle === 'wait') return 'wait';
    const outcome = obstacle ?? this.make(request, actor, guest);
    if (outcome === 'wait') return 'wait';
    if ('outcome' in outcome) {
      this.refuse(from, id, outcome);
      return 'done';
    }
    this.env.count(COUNT_COORDINATED, 1);
    const { words } = this.pipeline.buffer;
    const own = this.nextId;
    const open: Copy[] = this.copiesOf(request, plan);
    const { level, rule, n } = request;
    const [hastened] = open;
    if (level === ONE_DURABLE && hastened === undefined) this.pipeline.hasten(outcome.sequence);
    for (const copy of open) {
      const terms = level === ONE_DURABLE && copy !== hastened ? { level: BUFFERED, rule, n } : request;
      this.sender.send(copy, terms, own, deadlineMs, words, outcome.at);
    }
    const ownWaits = this.completions.awaitLevel(outcome.sequence, level, () => this.acknowledgeOwn(own));
    const entries = entriesAt(words, outcome.at);
    this.nextId = (this.nextId + 1) >>> 0;
    if (open.length === 0 && !ownWaits && request.w <= 1 && plan.others.length === 0) {
      const vector = trailOf(words, outcome.at, entries, NO_KEY);
      this.replies.send(from, id, OK, 1, request.w, outcome.total, vector, entries);
      return 'done';
    }
    open.push(copyFor(this.env.ordinal, this.env.ordinal, this.countsOf(this.env.ordinal, request, plan)));
    const entry: InProgress = {
      caller: from,
      request: id,
      need: request.w,
      deadlineMs,
      framesUntilMs: this.pipeline.turnMs + LIMITS.replicaFrameMs,
      words: trailOf(words, outcome.at, entries, request.keyWords),
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
      beganMs: level === BUFFERED && own % SAMPLE_EVERY === 0 ? this.env.clock.nowMs() : 0,
      acks: 0,
      movesSince: plan.others.length > 0 ? this.env.ring.moves!.since : 0,
      needThere: plan.others.length > 0 ? request.w : 0,
      acksThere: plan.others.filter((owner) => owner !== this.env.ordinal && !this.reaches(owner)).length,
      open,
      next: plan.next,
      fallbacks: NOBODY,
      owed: [],
      replied: false,
    };
    this.progress.add(own, entry);
    if (!ownWaits) this.acknowledgeOwn(own);
    return 'done';
  }

  private copiesOf(request: PutRequest, plan: CopyPlan): Copy[] {
    const open = plan.owners.map((owner) => copyFor(owner, owner, this.countsOf(owner, request, plan)));
    for (const { owner, holder } of plan.hinted) {
      if (holder !== this.env.ordinal) open.push(copyFor(owner, holder, this.countsOf(owner, request, plan)));
    }
    for (const owner of plan.others) {
      if (owner !== this.env.ordinal && this.reaches(owner)) open.push(copyFor(owner, owner, COUNTS_THERE));
    }
    return open;
  }

  /** In which of the two lists of a partition that moves an owner is. */
  private countsOf(owner: number, { partition, n }: PutRequest, { others }: CopyPlan): number {
    if (others.length === 0) return COUNTS;
    if (others.includes(owner)) return COUNTS_THERE;
    return isOtherOwner(this.env.ring, partition, n, owner) ? COUNTS | COUNTS_THERE : COUNTS;
  }

  /** The hints that stay here, before the copy that they speak of. */
  private noteOwn(request: PutRequest, plan: CopyPlan, guest: boolean): Refusal | 'wait' | undefined {
    const owed = plan.hinted.filter(({ holder }) => holder === this.env.ordinal).map(({ owner }) => owner);
    for (const owner of plan.others) {
      if (owner !== this.env.ordinal && !this.reaches(owner)) owed.push(owner);
    }
    const { hash, partition, n, rule } = request;
    for (const owner of owed) {
      const bytes = recordBytes(1, 1, request.key.length, wordsFor(request.value.length));
      const taken = this.hints.take(owner, request, { hash, partition, n, rule, bytes });
      if (taken === 'wait') return 'wait';
      // An owner's copy counts without its hint: repair brings the other one. A fallback's would be lost, and for
      // an owner of the other list the hint counts as its copy.
      if (taken !== 'kept' && (guest || plan.others.includes(owner)))
        return refuse(taken === 'full' ? OUT_OVERLOADED : OUT_FULL, LIMITS.hints, LIMITS.hints);
    }
    return undefined;
  }

  private acknowledgeOwn(id: number): void {
    this.progress.acknowledge(id, this.env.ordinal, this.sender.actor, true);
  }

  acknowledge(id: number, from: number, actor: number, good: boolean): void {
    this.progress.acknowledge(id, from, actor, good);
  }

  ringChanged(): void {
    this.progress.ringChanged();
  }

  sweep(nowMs: number): void {
    this.progress.sweep(nowMs);
  }

  refuse(to: number, request: number, refusal: Refusal): void {
    this.replies.refuse(to, request, refusal);
  }
}

const NO_KEY = new Int32Array(0);

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
