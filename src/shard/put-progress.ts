import { LIMITS } from '../base/limits.js';
import { SlotMap } from '../base/slot-map.js';
import { OK, OUT_QUORUM } from '../messaging/frames.js';
import { isOtherOwner, isOwner, keepsCopies, otherOwners } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import type { Admission } from '../storage/admission.js';
import { lengthAt } from '../storage/record.js';
import {
  type Copy,
  copyFor,
  type CopySender,
  type CopyTerms,
  COUNTS,
  COUNTS_THERE,
  heldBy,
  holderOf,
  ownerOf,
} from './copy-sender.js';
import type { VnodeEnvironment } from './environment.js';
import type { Hints } from './hints.js';
import type { PutReplies } from './put-replies.js';
import type { Replica } from './replica.js';

/** No fallback has acknowledged a copy, which is nearly always so. */
export const NOBODY: readonly number[] = [];

/** A put that was made here and waits for other replicas. */
export interface InProgress extends CopyTerms {
  readonly caller: number;
  readonly request: number;
  readonly need: number;
  readonly deadlineMs: number;
  /** Nobody takes the copies that were sent first any more: frames do not live longer. */
  framesUntilMs: number;
  /** The version vector, `entries` pairs, and behind it the key in words. */
  readonly words: Int32Array;
  readonly entries: number;
  readonly total: number;
  readonly hash: number;
  readonly partition: number;
  readonly bucket: number;
  readonly keyBytes: number;
  readonly ownersOnly: boolean;
  /** When it began, if the admission of background work shall hear how long it took; else 0. */
  readonly beganMs: number;
  acks: number;
  /** The ring change (Moves.since) by whose lists its copies count; 0: none. */
  movesSince: number;
  /** While the partition moves: as many of the other list's owners must have it, and have it. */
  needThere: number;
  acksThere: number;
  /** Copies that are not acknowledged yet, the own one included: each counts once, whatever arrives twice. */
  readonly open: Copy[];
  /** Where in the preference list further fallbacks are looked for. */
  next: number;
  /** Who has acknowledged a copy for an owner: when the ring changes the list may name it again further on. */
  fallbacks: readonly number[];
  /** Owners whose hint there was no room for yet. */
  readonly owed: number[];
  replied: boolean;
}

/**
 * The puts of one coordinator that are not acknowledged by all. All copies are followed up to the
 * deadline, also when the caller is gone: one that is refused, or whose
 * frame must have died, or whose receiver stops serving, goes to the next fallback, and an owner that has not acknowledged by then is owed a hint.
 */
export class PutProgress {
  private readonly env: VnodeEnvironment;
  private readonly replica: Replica;
  private readonly hints: Hints;
  private readonly sender: CopySender;
  private readonly replies: PutReplies;
  private readonly reaches: (vnode: number) => boolean;
  private readonly admission: Admission;
  private readonly inProgress = new SlotMap<InProgress>();
  private nextSweepMs = 0;

  constructor(
    env: VnodeEnvironment,
    replica: Replica,
    hints: Hints,
    sender: CopySender,
    replies: PutReplies,
    reaches: (vnode: number) => boolean,
    admission: Admission,
  ) {
    this.env = env;
    this.replica = replica;
    this.hints = hints;
    this.sender = sender;
    this.replies = replies;
    this.reaches = reaches;
    this.admission = admission;
  }

  get size(): number {
    return this.inProgress.size;
  }

  add(id: number, entry: InProgress): void {
    this.inProgress.set(id, entry);
  }

  /** A replica has the record at the asked level, or says that it cannot take it. */
  acknowledge(id: number, from: number, actor: number, good: boolean): void {
    const entry = actor === this.sender.actor ? this.inProgress.get(id) : undefined;
    const at = entry?.open.findIndex((copy) => holderOf(copy) === from) ?? -1;
    if (entry === undefined || at < 0) return;
    const [copy] = entry.open.splice(at, 1);
    if (good && from !== ownerOf(copy!)) entry.fallbacks = [...entry.fallbacks, from];
    if (good) count(entry, copy!);
    else this.replace(id, entry, copy!);
    this.settle(id, entry);
  }

  private settle(id: number, entry: InProgress): void {
    if (!entry.replied && entry.acks >= entry.need && entry.acksThere >= entry.needThere)
      this.finish(entry, OK);
    else if (!entry.replied && !hopeful(entry)) this.finish(entry, OUT_QUORUM);
    if (entry.open.length === 0 && entry.owed.length === 0) this.inProgress.delete(id);
  }

  /** Whoever was to take an owner's copy does not: the next fallback gets it, or the hint stays here. */
  private replace(id: number, entry: InProgress, copy: Copy): void {
    const { ring, ordinal } = this.env;
    const owner = ownerOf(copy);
    if (!keepsCopies(ring, entry.partition, entry.n, owner)) {
      // It is an owner no more, and nobody counts on it.
      count(entry, copy);
      return;
    }
    if (!isOwner(ring, entry.partition, entry.n, owner)) {
      // Whoever reads from it asks who holds hints for it.
      if (this.note(entry, owner)) count(entry, copy);
      return;
    }
    const record = this.ownCopy(entry);
    const end = record < 0 || entry.ownersOnly ? entry.n : ring.preferenceLength;
    while (entry.next < end) {
      const fallback = ring.preference[entry.partition * ring.preferenceLength + entry.next++]!;
      if (fallback === ordinal || !this.reaches(fallback)) continue;
      // W copies are on W nodes.
      const { nodeIndex } = ring.vnodes[fallback]!;
      const isThere = (holder: number): boolean => ring.vnodes[holder]!.nodeIndex === nodeIndex;
      if (entry.fallbacks.some(isThere) || entry.open.some((other) => isThere(holderOf(other)))) continue;
      // It keeps a copy of its own: that is one, not two.
      if (isOtherOwner(ring, entry.partition, entry.n, fallback)) continue;
      const substitute = heldBy(copy, fallback);
      const words = this.replica.wordsOf(record);
      this.sender.send(substitute, entry, id, entry.deadlineMs, words, record);
      entry.open.push(substitute);
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

  /** True if the hint stands here. */
  private note(entry: InProgress, owner: number): boolean {
    const { bucket, words, entries, keyBytes, hash, partition, n, rule } = entry;
    if (owner === this.env.ordinal || !keepsCopies(this.env.ring, partition, n, owner)) return false;
    const key = bytesOf(words.subarray(entries * 2), keyBytes);
    const record = this.ownCopy(entry);
    // Nothing to hand over: it is let go, or damaged.
    if (record < 0) return false;
    const bytes = lengthAt(this.replica.wordsOf(record), record);
    const taken = this.hints.take(owner, { bucket, key }, { hash, partition, n, rule, bytes });
    if (taken === 'wait') entry.owed.push(owner);
    return taken === 'kept';
  }

  /**
   * Partitions have begun to move: a put that is not acknowledged yet goes to both lists from now on,
   * and starts anew with nobody's acknowledgement. Copies that were sent before are acknowledged under
   * the same number, and merging one twice changes nothing.
   */
  ringChanged(): void {
    const { ring, ordinal } = this.env;
    if (ring.moves === undefined) return;
    const { since } = ring.moves;
    for (const [id, entry] of this.inProgress.entries()) {
      const { partition, n } = entry;
      const others = otherOwners(ring, partition, n);
      if (entry.replied || entry.movesSince === since || others.length === 0) continue;
      const record = this.ownCopy(entry);
      if (record < 0) continue;
      const own = entry.open.some((copy) => holderOf(copy) === ordinal);
      const first = partition * ring.preferenceLength;
      entry.movesSince = since;
      entry.needThere = entry.need;
      entry.acks = 0;
      entry.acksThere = 0;
      entry.open.length = 0;
      entry.fallbacks = NOBODY;
      // A fallback that has its copy already is asked for it again.
      entry.next = n;
      for (const owner of [...ring.preference.subarray(first, first + n), ...others]) {
        const copy = copyFor(owner, owner, countsFor(ring, partition, n, owner));
        if (owner === ordinal && !own) count(entry, copy);
        else entry.open.push(copy);
        if (owner === ordinal) continue;
        this.sender.send(copy, entry, id, entry.deadlineMs, this.replica.wordsOf(record), record);
      }
      // A fallback that coordinates keeps its copy for an owner.
      if (keepsCopies(ring, partition, n, ordinal)) continue;
      if (own) entry.open.push(copyFor(ordinal, ordinal));
      else entry.acks++;
    }
  }

  /** Replaces copies at virtual nodes that are gone, and gives up what is past its deadline. Once in a while: this walks the whole map. */
  sweep(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + 50;
    for (const [id, entry] of this.inProgress.entries()) {
      for (const owner of entry.owed.splice(0)) {
        const noted = this.note(entry, owner);
        if (noted && !isOwner(this.env.ring, entry.partition, entry.n, owner)) entry.acksThere++;
      }
      if (nowMs >= entry.deadlineMs) this.giveUp(entry);
      else this.replaceGone(id, entry, nowMs);
      this.settle(id, entry);
    }
  }

  private giveUp(entry: InProgress): void {
    if (!entry.replied) this.finish(entry, OUT_QUORUM);
    for (const copy of entry.open.splice(0)) this.note(entry, ownerOf(copy));
  }

  private replaceGone(id: number, entry: InProgress, nowMs: number): void {
    const late = nowMs > entry.framesUntilMs;
    if (late) entry.framesUntilMs = nowMs + LIMITS.replicaFrameMs;
    for (let i = entry.open.length - 1; i >= 0; i--) {
      const holder = holderOf(entry.open[i]!);
      if (holder === this.env.ordinal || (!late && this.env.isServing(holder))) continue;
      const [copy] = entry.open.splice(i, 1);
      this.replace(id, entry, copy!);
    }
  }

  private finish(entry: InProgress, outcome: number): void {
    entry.replied = true;
    if (entry.beganMs > 0) this.admission.waited(this.env.clock.nowMs() - entry.beganMs);
    const { caller, request, acks, need, total, words, entries } = entry;
    this.replies.send(caller, request, outcome, acks, need, total, words, entries);
  }
}

/** Somebody has the copy of an owner: of one of the owners, of one of the other list, or of both. */
function count(entry: InProgress, copy: Copy): void {
  if ((copy & COUNTS) !== 0) entry.acks++;
  if ((copy & COUNTS_THERE) !== 0) entry.acksThere++;
}

/** Whether what is open may still suffice. */
function hopeful({ acks, need, acksThere, needThere, open, owed }: InProgress): boolean {
  if (needThere === 0) return acks + open.length >= need;
  const mayCount = (which: number): number => open.filter((copy) => (copy & which) !== 0).length;
  return acks + mayCount(COUNTS) >= need && acksThere + mayCount(COUNTS_THERE) + owed.length >= needThere;
}

function countsFor(ring: Ring, partition: number, n: number, owner: number): number {
  const here = isOwner(ring, partition, n, owner) ? COUNTS : 0;
  return here | (isOtherOwner(ring, partition, n, owner) ? COUNTS_THERE : 0);
}

function bytesOf(words: Int32Array, bytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, bytes);
}
