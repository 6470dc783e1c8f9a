import { LIMITS } from '../../base/limits.js';
import { paddedWords } from '../../base/memory.js';
import { isOwner } from '../../ring/live-ring.js';
import { DURABLE, type Pipeline } from '../../storage/pipeline.js';
import { isTombstone } from '../../storage/record.js';
import type { Completions } from '../completions.js';
import { COUNT_REAPED, type VnodeEnvironment } from '../environment.js';
import type { OwnActor } from '../guest-actor.js';
import type { HintLoader } from '../hint-loader.js';
import type { Hints } from '../hints.js';
import type { Replica } from '../replica.js';
import { Digest } from '../trees/digest.js';
import type { Trees } from '../trees/trees.js';
import type { Condemned } from './condemned.js';
import { HIDE, REMOVE, type Round } from './reap-frames.js';

/** How long a tombstone stays hidden if it is not removed: the rounds behind that can take no longer. */
const HIDDEN_MS = 3 * LIMITS.replicaFrameMs;

interface Hidden extends Condemned {
  readonly sinceMs: number;
}

/** About keys, in one of the rounds of their reaping. */
export interface Question {
  readonly round: Round;
  readonly keys: readonly Condemned[];
  /** Nobody waits for the answer any more. */
  readonly untilMs: number;
  readonly done: (good: boolean[]) => void;
}

/** Each virtual node has so many batches under way, and gives up a question after some seconds. */
const MOST_QUESTIONS = LIMITS.reapBatches * LIMITS.virtualNodes;

export interface StandParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly replica: Replica;
  readonly hints: Hints;
  readonly loader: HintLoader;
  readonly trees: Trees;
  readonly own: OwnActor;
  /** Whether this virtual node lost its data and is not rebuilt yet: then it proves nothing. */
  readonly partial: () => boolean;
}

/** What one virtual node says about tombstones that somebody wants to reap, and does (reaper.ts). */
export class WitnessStand {
  private readonly parts: StandParts;
  private readonly digest = new Digest();
  /** By digest, in the order of their hiding. */
  private readonly hidden = new Map<string, Hidden>();
  private readonly questions: Question[] = [];

  constructor(parts: StandParts) {
    this.parts = parts;
  }

  /**
   * Calls back with a yes or no per key, once there was a slice for the question and all that the answer
   * rests on is synced; maybe never, and certainly not for a question that nobody waits for any more.
   */
  ask(question: Question): void {
    if (this.questions.length < MOST_QUESTIONS) this.questions.push(question);
  }

  private examine({ round, keys, done }: Question, nowMs: number): void {
    const { pipeline, completions } = this.parts;
    const good = keys.map((key) => (round === REMOVE ? this.remove(key, nowMs) : this.prove(key)));
    if (round === HIDE) keys.forEach((key, i) => good[i]! && this.hide(key, nowMs));
    const synced = (): void => done(good);
    // Also hints that were let go: a power cut would bring them back, with what they stand for.
    if (!completions.awaitLevel(pipeline.buffer.lastSequence, DURABLE, synced)) synced();
  }

  /** Nothing here stands against it: an owner has this tombstone, others have nothing, and no hint waits. */
  private prove(condemned: Condemned): boolean {
    const { hints, loader, trees, pipeline, partial } = this.parts;
    if (partial() || !loader.done || !trees.usable || pipeline.engineFailed || !pipeline.journalWhole)
      return false;
    if (hints.speakOf(condemned)) return false;
    const at = this.find(condemned);
    if (!this.owns(condemned)) return at === ABSENT;
    return at >= 0 && this.isThis(condemned, at);
  }

  private owns({ partition, bucket }: Condemned): boolean {
    const { env } = this.parts;
    return isOwner(env.ring, partition, env.replicasOf(bucket), env.ordinal);
  }

  private find({ hash, partition, bucket, key }: Condemned): number {
    try {
      return this.parts.replica.read(hash, partition, bucket, paddedWords(key), key);
    } catch {
      return DAMAGED;
    }
  }

  private isThis({ low, high }: Condemned, at: number): boolean {
    const words = this.parts.replica.wordsOf(at);
    if (!isTombstone(words, at)) return false;
    this.digest.ofRecord(words, at);
    return this.digest.low === low && this.digest.high === high;
  }

  /** REQUIRES: it was proved just now. */
  private hide(condemned: Condemned, sinceMs: number): void {
    if (!this.owns(condemned)) return;
    const at = this.find(condemned);
    this.parts.trees.hide(this.parts.replica.wordsOf(at), at);
    const name = nameOf(condemned);
    this.hidden.delete(name);
    const { hash, partition, bucket, key, low, high } = condemned;
    this.hidden.set(name, { hash, partition, bucket, key, low, high, sinceMs });
  }

  /** Lets a tombstone go that has been hidden for the life of a frame. Yes also if it is gone. */
  private remove(condemned: Condemned, nowMs: number): boolean {
    if (!this.owns(condemned)) return true;
    const { env, pipeline, replica, trees, own } = this.parts;
    const name = nameOf(condemned);
    const hidden = this.hidden.get(name);
    const at = this.find(condemned);
    if (hidden === undefined) return at === ABSENT;
    if (env.retains()) return false;
    if (at < 0 || !this.isThis(condemned, at) || nowMs < hidden.sinceMs + LIMITS.replicaFrameMs) return false;
    const words = replica.wordsOf(at);
    // The trees were made anew meanwhile: it counts there.
    if (!trees.hides(words, at)) return false;
    own.forget(words, at);
    if (pipeline.remove(condemned, paddedWords(condemned.key), condemned.key) !== 'ready') return false;
    // The old record is whole until the end of the turn.
    trees.forget(words, at);
    this.hidden.delete(name);
    env.count(COUNT_REAPED, 1);
    return true;
  }

  private show(condemned: Condemned): void {
    this.hidden.delete(nameOf(condemned));
    const at = this.find(condemned);
    if (at >= 0 && this.isThis(condemned, at)) this.parts.trees.show(this.parts.replica.wordsOf(at), at);
  }

  /** The ring is another one: nothing of before is removed, and nobody wants to know it any more. */
  ringChanged(): void {
    this.questions.length = 0;
    for (const condemned of this.hidden.values()) this.show(condemned);
  }

  /** Answers what was asked, and what was not removed in time comes back into the trees. Returns when to be called next. */
  poll(nowMs: number): number {
    return Math.min(this.answer(nowMs), this.showAgain(nowMs));
  }

  private answer(nowMs: number): number {
    const { questions } = this;
    while (questions.length > 0 && questions[0]!.untilMs < nowMs) questions.shift();
    if (questions.length === 0) return Number.POSITIVE_INFINITY;
    const { admission } = this.parts.pipeline;
    const next = (): boolean => {
      this.examine(questions.shift()!, nowMs);
      return questions.length > 0;
    };
    admission.slice('reaping', nowMs, next);
    return questions.length === 0 ? Number.POSITIVE_INFINITY : Math.max(nowMs + 1, admission.nextMs);
  }

  private showAgain(nowMs: number): number {
    for (const condemned of this.hidden.values()) {
      if (nowMs < condemned.sinceMs + HIDDEN_MS) return condemned.sinceMs + HIDDEN_MS;
      this.show(condemned);
    }
    return Number.POSITIVE_INFINITY;
  }
}

const ABSENT = -1;
const DAMAGED = -2;

function nameOf({ low, high }: Condemned): string {
  return `${low}:${high}`;
}
