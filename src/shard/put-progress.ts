import { OK, OUT_QUORUM } from '../messaging/frames.js';
import { lengthAt } from '../storage/record.js';
import { type Copy, copyFor, type CopySender, type CopyTerms, holderOf, ownerOf } from './copy-sender.js';
import type { VnodeEnvironment } from './environment.js';
import type { Hints } from './hints.js';
import type { PutReplies } from './put-replies.js';
import type { Replica } from './replica.js';

/** A put that was made here and waits for other replicas. */
export interface InProgress extends CopyTerms {
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

/**
 * The puts of one coordinator that are not acknowledged by all. All copies are followed up to the
 * deadline, also when the caller is gone: one that is refused, or whose receiver stops serving, goes
 * to the next fallback, and an owner that has not acknowledged by then is owed a hint.
 */
export class PutProgress {
  private readonly env: VnodeEnvironment;
  private readonly replica: Replica;
  private readonly hints: Hints;
  private readonly sender: CopySender;
  private readonly replies: PutReplies;
  private readonly reaches: (vnode: number) => boolean;
  private readonly inProgress = new Map<number, InProgress>();
  private nextSweepMs = 0;

  constructor(
    env: VnodeEnvironment,
    replica: Replica,
    hints: Hints,
    sender: CopySender,
    replies: PutReplies,
    reaches: (vnode: number) => boolean,
  ) {
    this.env = env;
    this.replica = replica;
    this.hints = hints;
    this.sender = sender;
    this.replies = replies;
    this.reaches = reaches;
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
    const record = this.ownCopy(entry);
    const end = record < 0 || entry.ownersOnly ? entry.n : ring.preferenceLength;
    while (entry.next < end) {
      const fallback = ring.preference[entry.partition * ring.preferenceLength + entry.next++]!;
      if (fallback === ordinal || !this.reaches(fallback)) continue;
      const substitute = copyFor(owner, fallback);
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

  private note(entry: InProgress, owner: number): void {
    const { bucket, words, entries, keyBytes } = entry;
    if (owner === this.env.ordinal) return;
    const key = bytesOf(words.subarray(entries * 2), keyBytes);
    const record = this.ownCopy(entry);
    // Nothing to hand over: it is let go, or damaged.
    if (record < 0) return;
    const bytes = lengthAt(this.replica.wordsOf(record), record);
    const taken = this.hints.take(owner, { bucket, key }, { ...entry, bytes });
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
}

function bytesOf(words: Int32Array, bytes: number): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, bytes);
}
