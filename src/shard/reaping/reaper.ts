import { LIMITS } from '../../base/limits.js';
import {
  frameEpoch,
  frameRequest,
  frameType,
  OK,
  OUT_STALE_RING,
  REAP,
  REAP_ANSWER,
  REAP_KEYS_AT,
} from '../../messaging/frames.js';
import { bucketAt, isTombstone, partitionAt } from '../../storage/record.js';
import { paddedWords } from '../../base/memory.js';
import { COUNT_DROPPED, GAUGE_TOMBSTONES } from '../environment.js';
import { keyOfRecord, type NamedKey } from '../key-name.js';
import type { Service } from '../service.js';
import { isSettled, type Lister } from '../storage-walk.js';
import { Digest } from '../trees/digest.js';
import { Batch } from './batch.js';
import type { Condemned } from './condemned.js';
import { Graveyard } from './graveyard.js';
import { HIDE, PROVE, readBits, readKeys, ReapFrames, REMOVE, type Round, wordsOf } from './reap-frames.js';
import { type StandParts, WitnessStand } from './witness-stand.js';

/** The answers to a question are waited for so long. */
const ANSWER_MS = 5_000;
/** Between two batches. */
const BATCH_MS = 100;
/** How often the last round is asked if somebody had no room, and the pause in between. */
const REMOVALS = 5;
const AGAIN_MS = 1_000;

/**
 * Reaping (versions.md, trap 6): a tombstone goes when it is proved that nothing older is anywhere.
 * The first owner of its partition asks all virtual nodes, owners or not, three times:
 *
 *   prove    each owner has this very tombstone, nobody else has the key, nobody holds a hint for it, and
 *            all of that is synced. What was read before and is older may still be in a frame; so the
 *            next round comes when such a frame has died (LIMITS.replicaFrameMs). Until then it can only
 *            meet an owner, to whom it is nothing new, or a fallback, which keeps it with a hint …
 *   hide     … and so the same is asked again. Now nothing older is stored or on its way, except from a
 *            fallback to an owner, and that dies in the same time. Owners that say yes also *hide* the
 *            tombstone: it is still read and merged with, but it counts in no tree and nobody is sent it.
 *            So no owner lacks it to whom another one would bring it, whoever reaps first.
 *   remove   after the life of a frame again: frames that carry the tombstone itself are dead too. Each
 *            owner removes it, by a record in its log, if it is still the one that it has hidden.
 *
 * A no, or no answer, ends it for the key: it is tried again later, and what was hidden comes back
 * into the trees. If an owner does not come to the removal (it dies, or its disk is full), the others
 * get the tombstone back from it by trees, and it starts anew; deleted data does not come back by
 * that. Every virtual node must answer, so nothing is reaped while one is down or suspected, nor
 * during a ring change. REQUIRES of all that sends records: the frame's deadline is at most
 * replicaFrameMs after the record was read.
 *
 * Owners forget dots with the clock: guest-actor.ts.
 */
export class Reaper implements Service, Lister {
  readonly frames = [REAP, REAP_ANSWER];
  protected readonly parts: StandParts;
  protected readonly stand: WitnessStand;
  protected readonly graveyard = new Graveyard();
  private readonly messages: ReapFrames;
  private readonly digest = new Digest();
  private readonly batches: Batch[] = [];
  private request: number;
  private nextBatchMs = 0;
  private nowMs = 0;
  private published = -1;

  constructor(parts: StandParts) {
    this.parts = parts;
    this.stand = new WitnessStand(parts);
    this.messages = new ReapFrames(parts.env);
    // Answers to a predecessor's questions are not ours.
    this.request = Math.floor(parts.env.random() * 0x1_0000_0000);
    parts.replica.onTombstone = this.bury;
  }

  private readonly bury = (words: Int32Array, at: number): void => {
    const { env } = this.parts;
    // It is evicted when its turn comes.
    if ((env.caches?.limitOf(bucketAt(words, at)) ?? 0) > 0) return;
    const first = partitionAt(words, at) * env.ring.preferenceLength;
    if (env.ring.preference[first] !== env.ordinal || env.replicasOf(bucketAt(words, at)) === 0) return;
    this.graveyard.put(keyOfRecord(words, at), this.nowMs);
  };

  poll(nowMs: number): number {
    this.nowMs = nowMs;
    const reapMs = this.reap();
    const nextMs = Math.min(this.stand.poll(nowMs), reapMs);
    const waiting = this.batches.reduce((sum, { keys }) => sum + keys.length, this.graveyard.size);
    if (waiting !== this.published) {
      this.published = waiting;
      this.parts.env.gauge(GAUGE_TOMBSTONES, waiting);
    }
    return nextMs;
  }

  /** Tombstones that are stored and that nobody has told us of. */
  get wantsWalk(): boolean {
    return this.graveyard.missed && this.graveyard.size <= LIMITS.tombstones / 2;
  }
  walkBegins(): void {
    this.graveyard.missed = false;
  }
  visit(words: Int32Array, at: number): void {
    if (isTombstone(words, at)) this.bury(words, at);
  }

  /** Moves the batches on. Returns when to be called next. */
  protected reap(): number {
    const { batches, nowMs } = this;
    let next = Number.POSITIVE_INFINITY;
    for (let i = batches.length - 1; i >= 0; i--) {
      const batch = batches[i]!;
      if (batch.asking ? nowMs > batch.untilMs : nowMs >= batch.dueMs && !this.ask(batch)) this.giveUp(batch);
      if (batch.keys.length === 0) batches.splice(i, 1);
      else next = Math.min(next, batch.asking ? batch.untilMs + 1 : batch.dueMs);
    }
    return Math.min(next, this.begin());
  }

  private begin(): number {
    const { graveyard, nowMs } = this;
    const dueMs = Math.max(graveyard.nextMs, this.nextBatchMs);
    if (dueMs > nowMs) return dueMs;
    this.nextBatchMs = nowMs + BATCH_MS;
    if (this.batches.length >= LIMITS.reapBatches || !this.possible) return this.nextBatchMs;
    const collect = (): boolean => {
      const batch = new Batch(this.collect(), nowMs);
      if (batch.keys.length > 0) this.batches.push(batch);
      return false;
    };
    const { admission } = this.parts.pipeline;
    if (admission.slice('reaping', nowMs, collect)) return nowMs;
    return (this.nextBatchMs = Math.max(nowMs + 1, admission.nextMs));
  }

  /** Everybody has to answer, and to agree on who owns what. */
  private get possible(): boolean {
    const { env } = this.parts;
    return (
      isSettled(env.ring) &&
      this.members.every((ordinal) => ordinal === env.ordinal || env.isServing(ordinal))
    );
  }

  private get members(): number[] {
    return this.parts.env.ring.vnodes.filter(({ gone }) => gone !== true).map(({ ordinal }) => ordinal);
  }

  /** Whoever was asked under another ring, or would be, proves nothing. */
  ringChanged(): void {
    for (const batch of this.batches.splice(0)) this.giveUp(batch);
    this.stand.ringChanged();
    // Other partitions may be ours to reap.
    if (isSettled(this.parts.env.ring)) this.graveyard.missed = true;
  }

  private collect(): Condemned[] {
    const keys: Condemned[] = [];
    let words = REAP_KEYS_AT;
    while (keys.length < LIMITS.reapKeys && words * 4 < LIMITS.reapFrameBytes) {
      const buried = this.graveyard.take(this.nowMs);
      if (buried === undefined) break;
      const condemned = this.condemn(buried);
      if (condemned === undefined) continue;
      keys.push(condemned);
      words += wordsOf(condemned);
    }
    return keys;
  }

  /** The tombstone that stands there now; undefined if the key lives again, or cannot be read. */
  private condemn({ hash, partition, bucket, key }: NamedKey): Condemned | undefined {
    const { replica } = this.parts;
    try {
      const at = replica.read(hash, partition, bucket, paddedWords(key), key);
      if (at < 0 || !isTombstone(replica.wordsOf(at), at)) return undefined;
      this.digest.ofRecord(replica.wordsOf(at), at);
    } catch {
      return undefined;
    }
    return { hash, partition, bucket, key, low: this.digest.low, high: this.digest.high };
  }

  /** Asks everybody the batch's next question; false if somebody does not serve. */
  private ask(batch: Batch): boolean {
    const { env } = this.parts;
    if (!this.possible) return false;
    this.request = (this.request + 1) >>> 0;
    const { members } = this;
    batch.begin(this.request, members, this.nowMs + ANSWER_MS);
    for (const ordinal of members) {
      if (ordinal !== env.ordinal) this.messages.ask(ordinal, batch.request, batch.round, batch.keys);
    }
    const { request } = batch;
    const done = (good: boolean[]): void => this.answered(env.ordinal, request, good);
    this.stand.ask({ round: batch.round, keys: batch.keys, untilMs: batch.untilMs, done });
    return true;
  }

  readonly receive = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    const { env } = this.parts;
    const request = frameRequest(words, at);
    if (from >= env.ring.vnodes.length) {
      env.count(COUNT_DROPPED, 1);
    } else if (frameType(words, at) === REAP_ANSWER) {
      if (words[at + 6] === OK) this.answered(from, request, readBits(words, at));
    } else if (frameEpoch(words, at) !== env.ring.epoch) {
      this.messages.answer(from, request, OUT_STALE_RING, []);
    } else {
      const round = words[at + 6]! as Round;
      const done = (good: boolean[]): void => this.messages.answer(from, request, OK, good);
      const untilMs = env.clock.nowMs() + ANSWER_MS;
      this.stand.ask({ round, keys: readKeys(words, bytes, at), untilMs, done });
    }
  };

  private answered(from: number, request: number, good: readonly boolean[]): void {
    const batch = this.batches.find((one) => one.asking && one.request === request);
    if (batch?.answered(from, good) !== true) return;
    const nowMs = this.parts.env.clock.nowMs();
    if (batch.round === REMOVE) {
      this.removed(batch, nowMs);
      return;
    }
    for (const refused of batch.sift()) this.graveyard.put(refused, nowMs);
    batch.round = batch.round === PROVE ? HIDE : REMOVE;
    batch.dueMs = nowMs + LIMITS.replicaFrameMs;
  }

  private removed(batch: Batch, nowMs: number): void {
    // Those that are gone everywhere are done with; the others have the same question asked again.
    batch.keys = batch.sift();
    batch.dueMs = nowMs + AGAIN_MS;
    if (batch.removals >= REMOVALS) this.giveUp(batch);
  }

  private giveUp(batch: Batch): void {
    for (const condemned of batch.keys) this.graveyard.put(condemned, this.nowMs);
    batch.keys = [];
  }
}
