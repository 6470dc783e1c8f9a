import { paddedWords } from '../base/memory.js';
import { keepsCopies } from '../ring/live-ring.js';
import { type Cleaning, everyPartition } from '../ring/ring.js';
import type { Engine } from '../storage/engine.js';
import { DURABLE, type Pipeline } from '../storage/pipeline.js';
import {
  bucketAt,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  partitionAt,
  W_KEY_HASH,
} from '../storage/record.js';
import type { Completions } from './completions.js';
import type { VnodeEnvironment } from './environment.js';
import type { HintLoader } from './hint-loader.js';
import type { Hints } from './hints.js';
import type { RingSource } from './ring-source.js';
import type { Service } from './service.js';
import { EngineWalk, IndexWalk } from './trees/walks.js';

const PAUSE_MS = 1;
const LOOK_MS = 20;
const REPORT_MS = 1_000;

interface Dropped {
  readonly hash: number;
  readonly partition: number;
  readonly bucket: number;
  readonly key: Uint8Array;
}

export interface OldCopiesParts {
  readonly env: VnodeEnvironment;
  readonly source: RingSource;
  readonly pipeline: Pipeline;
  readonly engine: Engine | undefined;
  readonly completions: Completions;
  readonly hints: Hints;
  readonly loader: HintLoader;
}

/**
 * The end of a ring change: copies of partitions that this virtual node has lost go, a slice per turn,
 * once nobody works with the old placement any more. One that a hint speaks of stays until its owner
 * has it (hints.ts lets it go then). A leaver's data goes with its directory; it stays until all its
 * hints are handed over.
 */
export class OldCopies implements Service {
  readonly frames = [];
  private readonly parts: OldCopiesParts;
  private since = 0;
  private walk: EngineWalk | IndexWalk | undefined;
  private arrived = false;
  private waiting = false;
  private queue: Dropped[] = [];
  private finished = false;
  private synced = false;
  private reportMs = 0;

  constructor(parts: OldCopiesParts) {
    this.parts = parts;
  }

  readonly receive = (): void => undefined;

  poll(nowMs: number): number {
    const { env, source } = this.parts;
    const { cleaning } = env.ring;
    if (cleaning === undefined || !cleaning.slots.includes(env.ordinal)) return Number.POSITIVE_INFINITY;
    if (cleaning.since !== this.since) this.begin(cleaning);
    if (!this.finished) {
      if (!source.announced(cleaning.since)) return nowMs + LOOK_MS;
      const { admission } = this.parts.pipeline;
      admission.slice('copies', nowMs, () => this.step(cleaning));
      if (!this.finished) return Math.max(nowMs + PAUSE_MS, admission.nextMs);
      this.sync();
    }
    if (!this.synced) return nowMs + LOOK_MS;
    if (nowMs >= this.reportMs) {
      this.reportMs = nowMs + REPORT_MS;
      source.report([{ kind: 'cleaned', slot: env.ordinal }]);
    }
    return this.reportMs;
  }

  /** What was removed comes back by no power cut: only then nobody has to come here again. */
  private sync(): void {
    const { completions, pipeline } = this.parts;
    const { since } = this;
    const synced = (): void => {
      if (since === this.since) this.synced = true;
    };
    if (!completions.awaitLevel(pipeline.buffer.lastSequence, DURABLE, synced)) synced();
  }

  private begin({ since }: Cleaning): void {
    this.since = since;
    this.walk = undefined;
    this.arrived = false;
    this.waiting = false;
    this.queue = [];
    this.finished = false;
    this.synced = false;
    this.reportMs = 0;
  }

  /** True if there is more to do at once. */
  private step(cleaning: Cleaning): boolean {
    const { env, hints, loader } = this.parts;
    if (!loader.done) return false;
    if (env.ring.vnodes[env.ordinal]!.node === cleaning.leaver) {
      this.finished = hints.count === 0;
      return false;
    }
    if (this.queue.length > 0) return this.drop();
    if (this.walk instanceof IndexWalk && this.walk.moved) this.walk = undefined;
    if (this.walk === undefined && !this.begun(cleaning)) return false;
    const ended = this.walk!.step((words, at) => this.look(cleaning, words, at));
    this.finished = ended && this.queue.length === 0;
    return !this.finished;
  }

  /** Behind everything that was written while copies still came. */
  private begun(cleaning: Cleaning): boolean {
    const { engine, pipeline, completions } = this.parts;
    if (engine === undefined) {
      this.walk = new IndexWalk(pipeline);
      return true;
    }
    if (!this.waiting) {
      this.waiting = true;
      this.arrived = !completions.awaitEnginePatiently(() => (this.arrived = true));
    }
    if (!this.arrived) return false;
    this.walk = new EngineWalk(engine, pipeline, this.lost(cleaning));
    return true;
  }

  /** Partitions of which it kept copies and does not any more, for some n. */
  private lost({ before, beforeLength }: Cleaning): number[] {
    const { ring, ordinal } = this.parts.env;
    return everyPartition(ring).filter((partition) => {
      const first = partition * beforeLength;
      const place = before.subarray(first, first + beforeLength).indexOf(ordinal);
      const replicas = Array.from({ length: beforeLength }, (_, i) => i + 1);
      return place >= 0 && replicas.some((n) => n > place && !keepsCopies(ring, partition, n, ordinal));
    });
  }

  private look({ before, beforeLength }: Cleaning, words: Int32Array, at: number): void {
    const { env } = this.parts;
    const partition = partitionAt(words, at);
    const bucket = bucketAt(words, at);
    const n = env.replicasOf(bucket);
    if (n === 0 || kindAt(words, at) === KIND_REMOVED) return;
    const owned = before.subarray(partition * beforeLength, partition * beforeLength + n);
    if (!owned.includes(env.ordinal) || keepsCopies(env.ring, partition, n, env.ordinal)) return;
    const start = words.byteOffset + keyAt(words, at) * 4;
    const key = new Uint8Array(words.buffer, start, keyLengthAt(words, at)).slice();
    this.queue.push({ hash: words[at + W_KEY_HASH]!, partition, bucket, key });
  }

  /** False if there is no room now. A hint may have come since the copy was looked at. */
  private drop(): boolean {
    const { pipeline, hints } = this.parts;
    for (let next = this.queue.at(-1); next !== undefined; next = this.queue.at(-1)) {
      if (!hints.speakOf(next) && pipeline.remove(next, paddedWords(next.key), next.key) !== 'ready')
        return false;
      this.queue.pop();
    }
    return true;
  }
}
