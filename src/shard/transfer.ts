import {
  frameRequest,
  frameType,
  OK,
  OUT_DIFFERENT,
  OUT_NO_TREES,
  RANGE_ANSWER,
  RANGE_COMPARE,
  RANGE_WORDS,
  RECORD_AT,
  writeHeader,
} from '../messaging/frames.js';
import { otherOwners, ownersAlone } from '../ring/live-ring.js';
import { HANDED, type Moves, STAYS } from '../ring/ring.js';
import { DURABLE, type Pipeline } from '../storage/pipeline.js';
import type { Completions } from './completions.js';
import type { VnodeEnvironment } from './environment.js';
import type { Rebuilding } from './rebuilding.js';
import type { RingSource } from './ring-source.js';
import type { Service } from './service.js';
import type { AntiEntropy } from './trees/anti-entropy.js';
import { nodeOf } from './trees/nodes.js';
import type { Trees } from './trees/trees.js';

/** Between two looks at what has become possible, and before a range that differed is compared again. */
const LOOK_MS = 20;
const AGAIN_MS = 40;
/** A question without an answer is put again; so is a fact that has not become part of the ring. */
const ANSWER_MS = 1_000;
const REPORT_MS = 1_000;
const LIFETIME_MS = 2_000;
/** Questions per look. */
const QUESTIONS = 16;

/** That one peer has the same range as we do: asked, answered, or to be asked (again) from some time on. */
interface Match {
  readonly replicas: number;
  readonly peer: number;
  nextMs: number;
  equal: boolean;
}

/** What is to be certain here before a partition takes its next step. */
interface Task {
  readonly partition: number;
  /** Revision that everybody must know first. */
  readonly since: number;
  readonly kind: 'came' | 'compared';
  readonly matches: readonly Match[];
  /** Everything that the matches were about is synced here. */
  synced: boolean;
  waiting: boolean;
  reportMs: number;
}

export interface TransferParts {
  readonly env: VnodeEnvironment;
  readonly source: RingSource;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly trees: Trees;
  readonly repair: AntiEntropy;
  readonly rebuilding: Rebuilding;
}

/**
 * A virtual node's part in a ring change (docs/architecture.md, "Ring changes"). Data moves by tree
 * exchanges like any other difference between replicas; here it is made certain that it has arrived.
 * The two steps of a partition are one: who is not read from, the one who comes before the handover
 * and the one who goes after it, asks everybody of the other side whether their ranges are the same,
 * by count and root of the tree, once all virtual nodes and callers know where the partition stands.
 * Both answer and report only for what is synced.
 */
export class Transfer implements Service {
  readonly frames = [RANGE_COMPARE, RANGE_ANSWER];
  private readonly parts: TransferParts;
  private tasks: Task[] = [];
  private nextMs = 0;

  constructor(parts: TransferParts) {
    this.parts = parts;
    this.ringChanged();
  }

  /** What was certain before remains so: only the steps that are due now are looked at anew. */
  ringChanged(): void {
    const { moves } = this.parts.env.ring;
    const before = new Map(this.tasks.map((task) => [task.partition, task]));
    this.tasks = [];
    this.nextMs = 0;
    if (moves === undefined) return;
    moves.state.forEach((state, partition) => {
      if (state === STAYS || moves.compared[partition] === 1) return;
      const kind = state === HANDED ? 'compared' : 'came';
      const known = before.get(partition);
      const task = known?.kind === kind ? known : this.taskFor(moves, partition, kind);
      if (task.matches.length > 0) this.tasks.push(task);
    });
  }

  private taskFor(moves: Moves, partition: number, kind: Task['kind']): Task {
    const { ring, ordinal } = this.parts.env;
    const matches = moves.replicas
      .filter((n) => otherOwners(ring, partition, n).includes(ordinal))
      .flatMap((replicas) =>
        ownersAlone(ring, partition, replicas).map((peer) => ({ replicas, peer, nextMs: 0, equal: false })),
      );
    const since = kind === 'came' ? moves.since : moves.handedAt[partition]!;
    return { partition, since, kind, matches, synced: false, waiting: false, reportMs: 0 };
  }

  poll(nowMs: number): number {
    if (this.tasks.length === 0) return Number.POSITIVE_INFINITY;
    // What has lost its data is certain of nothing, on either side.
    if (nowMs < this.nextMs || !this.parts.trees.usable || this.parts.rebuilding.partial)
      return Math.max(this.nextMs, nowMs + LOOK_MS);
    this.nextMs = nowMs + LOOK_MS;
    let left = QUESTIONS;
    for (const task of this.tasks) {
      if (!this.parts.source.announced(task.since)) break;
      if (task.matches.every(({ equal }) => equal)) this.certain(task, nowMs);
      else if (left > 0) left -= this.ask(task, nowMs);
    }
    // Who was asked last time comes last.
    this.tasks.push(...this.tasks.splice(0, QUESTIONS));
    return this.nextMs;
  }

  private ask(task: Task, nowMs: number): number {
    const { env, source } = this.parts;
    let asked = 0;
    for (const match of task.matches) {
      if (match.equal || nowMs < match.nextMs || !env.isServing(match.peer)) continue;
      // What it was owed before everybody wrote to both sides must reach it first, and then us.
      if (task.kind === 'came' && source.hinted(match.peer)) continue;
      match.nextMs = nowMs + ANSWER_MS;
      this.write(match.peer, RANGE_COMPARE, task.since, RANGE_WORDS, (words, at) => {
        const { set } = this.parts.trees;
        const root = nodeOf(match.replicas, task.partition, 0, 0);
        words[at + 6] = task.partition | (match.replicas << 16);
        words[at + 7] = set.recordsIn(match.replicas, task.partition);
        words[at + 8] = set.low(root);
        words[at + 9] = set.high(root);
      });
      asked++;
    }
    return asked;
  }

  /** Everybody was found equal: it counts when it is synced here. */
  private certain(task: Task, nowMs: number): void {
    const { source, trees, env } = this.parts;
    if (!task.synced && !task.waiting) {
      task.waiting = this.whenSynced(() => (task.synced = true));
      task.synced = !task.waiting;
    }
    if (!task.synced || nowMs < task.reportMs) return;
    task.reportMs = nowMs + REPORT_MS;
    const { kind, partition } = task;
    const keys = Math.max(...task.matches.map(({ replicas }) => trees.set.recordsIn(replicas, partition)));
    source.report([{ kind, partition, slot: env.ordinal, keys }]);
  }

  /** Calls back once all that stands here now is synced; false if it is. */
  protected whenSynced(action: () => void): boolean {
    const { completions, pipeline } = this.parts;
    return completions.awaitLevel(pipeline.buffer.lastSequence, DURABLE, action);
  }

  readonly receive = (from: number, words: Int32Array, _bytes: Uint8Array, at: number): void => {
    const range = words[at + 6]!;
    if (frameType(words, at) === RANGE_ANSWER) {
      this.answered(from, frameRequest(words, at), words[at + 6]!, words[at + 7]!);
      return;
    }
    const since = frameRequest(words, at);
    const { trees } = this.parts;
    const partition = range & 0xffff;
    const replicas = range >>> 16;
    const root = nodeOf(replicas, partition, 0, 0);
    if (!trees.usable || this.parts.rebuilding.partial || !trees.set.shares(from, root)) {
      this.answer(from, since, range, OUT_NO_TREES);
      return;
    }
    const isEqual =
      trees.set.recordsIn(replicas, partition) === words[at + 7] &&
      trees.set.low(root) === words[at + 8] &&
      trees.set.high(root) === words[at + 9];
    const synced = (): void => this.answer(from, since, range, OK);
    if (!isEqual) this.answer(from, since, range, OUT_DIFFERENT);
    else if (!this.whenSynced(synced)) synced();
  };

  private answered(from: number, since: number, outcome: number, range: number): void {
    const { env, repair } = this.parts;
    const task = this.tasks.find((one) => one.partition === (range & 0xffff) && one.since === since);
    const match = task?.matches.find(({ replicas, peer }) => replicas === range >>> 16 && peer === from);
    if (match === undefined) return;
    const nowMs = env.clock.nowMs();
    match.nextMs = nowMs + AGAIN_MS;
    if (outcome === OK) match.equal = true;
    else if (outcome === OUT_DIFFERENT) repair.hurry(from);
    this.nextMs = Math.min(this.nextMs, match.nextMs);
  }

  private answer(to: number, since: number, range: number, outcome: number): void {
    this.write(to, RANGE_ANSWER, since, RECORD_AT, (words, at) => {
      words[at + 6] = outcome;
      words[at + 7] = range;
    });
  }

  /** @param since travels with the question and back: what belongs to another step counts for nothing */
  private write(
    to: number,
    type: number,
    since: number,
    frameWords: number,
    fill: (words: Int32Array, at: number) => void,
  ): void {
    const { env } = this.parts;
    const outbox = env.endpoint.to(to);
    const at = outbox.begin(frameWords * 4);
    writeHeader(outbox.words, at, type, 0, since, env.ring.epoch, env.clock.nowMs() + LIFETIME_MS);
    fill(outbox.words, at);
    outbox.end();
  }
}
