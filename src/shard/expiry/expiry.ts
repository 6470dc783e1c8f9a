import { LIMITS } from '../../base/limits.js';
import { paddedWords } from '../../base/memory.js';
import { keepsCopies } from '../../ring/live-ring.js';
import type { Pipeline } from '../../storage/pipeline.js';
import { bucketAt, firstExpiryAt, partitionAt } from '../../storage/record.js';
import { COUNT_EXPIRED, type VnodeEnvironment } from '../environment.js';
import { keyOfName, keyOfRecord, nameOf } from '../key-name.js';
import type { Replica } from '../replica.js';
import type { Service } from '../service.js';
import { isSettled, type Lister } from '../storage-walk.js';
import { DueList } from './due-list.js';

/** Records looked at per slice. */
const BUDGET = 64;
/** How often it is seen what is due, at most and at least: the time of day may be changed. */
const SOON_MS = 100;
const LATE_MS = 1_000;
/** How long storage that has no room is left alone. */
const PAUSE_MS = 500;

interface Parts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly replica: Replica;
}

/**
 * Values whose time is over leave the storage. Nobody returns them any more anyway: their time
 * stands in the record, and every reader looks at it. Each owner makes a tombstone of them, with the
 * same clock, and when all owners have done so it is reaped like any other (reaping/).
 *
 * A key is listed under the first time at which a value of it expires. When that has come, the record
 * says what to do; a key that was put again or touched meanwhile is listed anew, so that it stands
 * here once, however often it is put.
 */
export class Expiry implements Service, Lister {
  readonly frames = [];
  private readonly parts: Parts;
  private readonly list = new DueList();
  /** What a start finds stored is not listed yet. */
  private unknown = true;
  private nextMs = 0;

  constructor(parts: Parts) {
    this.parts = parts;
    parts.replica.onExpiring = (words, at, before, beforeAt) => {
      const dueMs = firstExpiryAt(words, at);
      // It is listed under an earlier time already.
      if (before === undefined || firstExpiryAt(before, beforeAt) > dueMs) this.note(words, at, dueMs);
    };
  }

  private note(words: Int32Array, at: number, dueMs: number): void {
    const { env } = this.parts;
    const partition = partitionAt(words, at);
    // A fallback hands its copy over, and lets it go by that.
    if (!keepsCopies(env.ring, partition, env.replicasOf(bucketAt(words, at)), env.ordinal)) return;
    if (this.list.size === 0) this.nextMs = 0;
    this.list.add(nameOf(keyOfRecord(words, at)), dueMs);
  }

  readonly receive = (): void => undefined;

  poll(nowMs: number): number {
    if (nowMs < this.nextMs) return this.nextMs;
    const { env, pipeline } = this.parts;
    const { list } = this;
    if (list.size === 0) return (this.nextMs = Number.POSITIVE_INFINITY);
    const expiryMs = env.expiryMs();
    const leftMs = list.nextMs - expiryMs;
    if (leftMs > 0) return (this.nextMs = nowMs + Math.min(LATE_MS, Math.max(SOON_MS, leftMs)));
    const { admission } = pipeline;
    this.nextMs = nowMs + 1;
    const step = (): boolean => this.expire(nowMs, expiryMs);
    if (!admission.slice('expiry', nowMs, step)) this.nextMs = Math.max(this.nextMs, admission.nextMs);
    return this.nextMs;
  }

  get wantsWalk(): boolean {
    return this.unknown || (this.list.missed && this.list.size < LIMITS.expiring / 2);
  }
  walkBegins(): void {
    this.unknown = false;
    this.list.reset();
  }
  visit(words: Int32Array, at: number): void {
    const dueMs = firstExpiryAt(words, at);
    if (dueMs !== Number.POSITIVE_INFINITY) this.note(words, at, dueMs);
  }

  ringChanged(): void {
    if (isSettled(this.parts.env.ring)) this.unknown = true;
  }

  /** True if there may be more. */
  private expire(nowMs: number, expiryMs: number): boolean {
    const { list } = this;
    for (let left = BUDGET; left > 0; left--) {
      const name = list.take(expiryMs);
      if (name === undefined) return false;
      if (this.expireOne(name, expiryMs)) continue;
      list.add(name, expiryMs);
      this.nextMs = nowMs + PAUSE_MS;
      return false;
    }
    return true;
  }

  /** False if there was no room. */
  private expireOne(name: string, expiryMs: number): boolean {
    const { env, replica } = this.parts;
    const { hash, partition, bucket, key } = keyOfName(name);
    let at: number;
    try {
      at = replica.read(hash, partition, bucket, paddedWords(key), key);
    } catch {
      // Damaged: whoever repairs it lists it again.
      return true;
    }
    if (at < 0) return true;
    const dueMs = firstExpiryAt(replica.wordsOf(at), at);
    if (dueMs === Number.POSITIVE_INFINITY) return true;
    if (dueMs > expiryMs) {
      this.list.add(name, dueMs);
      return true;
    }
    const outcome = replica.expire(replica.wordsOf(at), at, expiryMs);
    if (outcome === 'wait' || 'outcome' in outcome) return false;
    env.count(COUNT_EXPIRED, 1);
    const next = firstExpiryAt(replica.wordsOf(outcome.at), outcome.at);
    if (next !== Number.POSITIVE_INFINITY) this.list.add(name, next);
    return true;
  }
}
