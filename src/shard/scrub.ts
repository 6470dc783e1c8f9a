import { LIMITS } from '../base/limits.js';
import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import { isPlaced } from '../storage/placed.js';
import { HINT_BUCKET } from '../storage/record.js';
import type { Damage } from './damage.js';
import {
  COUNT_SCRUB_DAMAGED,
  COUNT_SCRUBBED,
  GAUGE_SCRUBBED_AT,
  type VnodeEnvironment,
} from './environment.js';
import type { Hints } from './hints.js';
import type { Replica } from './replica.js';
import type { Service } from './service.js';

/** How fast the scrub goes; by default as in LIMITS. */
export interface ScrubPace {
  /** Between two slices, and between two passes. */
  readonly pauseMs: number;
  readonly everyMs: number;
}

export interface ScrubParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly engine: Engine;
  readonly damage: Damage;
  readonly replica: Replica;
  readonly hints: Hints;
  readonly pace: ScrubPace | undefined;
  /** All was read: whatever the trees count besides is not there. */
  readonly onPass: () => void;
}

/** A record of the engine that is not what its checksum says, or not where it belongs. */
interface Damaged {
  readonly partition: number;
  readonly bucket: number;
  readonly key: Uint8Array;
}

/**
 * Reads everything that a virtual node has on its disk again and again, slowly: bits rot where nobody
 * looks. A record of the engine is compared with its checksum and its place, what the journal has with
 * the object buffer that it was written from. A damaged record is written again from the
 * object buffer, or taken from a peer (Damage), a
 * damaged hint is made anew from its name, a damaged journal is written anew. At the end of a pass the trees are made anew from what is stored, so
 * that keys that LMDB has lost without a trace are found to be missing.
 */
export class Scrub implements Service {
  readonly frames = [];
  private readonly parts: ScrubParts;
  private readonly pauseMs: number;
  private readonly everyMs: number;
  private nextMs = Number.NEGATIVE_INFINITY;
  private partition = 0;
  private bucket = 0;
  private key: Uint8Array | undefined;
  private inJournal = false;
  /** When the trees were last made: at the start. */
  private comparedMs: number;

  constructor(parts: ScrubParts) {
    this.parts = parts;
    this.comparedMs = parts.env.clock.nowMs();
    this.pauseMs = parts.pace?.pauseMs ?? LIMITS.scrubPauseMs;
    this.everyMs = parts.pace?.everyMs ?? LIMITS.scrubEveryMs;
  }

  /** Nobody sends it anything. */
  readonly receive = (): void => undefined;

  poll(nowMs: number): number {
    const { env, pipeline } = this.parts;
    // Threads start together: not all of them shall read at once.
    if (this.nextMs === Number.NEGATIVE_INFINITY)
      this.nextMs = nowMs + Math.min(this.everyMs, LIMITS.scrubFirstMs) * (0.5 + env.random());
    if (nowMs < this.nextMs || pipeline.engineFailed || !pipeline.journalWhole)
      return Math.max(this.nextMs, nowMs + this.pauseMs);
    let end = false;
    const ran = pipeline.admission.slice('scrub', nowMs, () => {
      end = this.inJournal ? this.journalSlice() : this.engineSlice();
      return false;
    });
    if (!ran) return Math.max(nowMs + 1, pipeline.admission.nextMs);
    this.nextMs = nowMs + (end ? this.everyMs : this.pauseMs);
    return this.nextMs;
  }

  /** Never the end: the journal comes behind it. */
  private engineSlice(): false {
    const { engine, env } = this.parts;
    const damaged: Damaged[] = [];
    let records = 0;
    let bytes = 0;
    let more = false;
    const behind = { partition: this.partition, bucket: this.bucket, key: this.key };
    engine.walk(behind, env.ring.partitions, (partition, bucket, key, stored) => {
      this.partition = partition;
      this.bucket = bucket;
      this.key = key.slice();
      records++;
      bytes += stored.length;
      if (!isPlaced(partition, bucket, key, stored)) {
        damaged.push({ partition, bucket, key: this.key });
      }
      more = records >= LIMITS.scrubRecords || bytes >= LIMITS.scrubBytes;
      return !more;
    });
    for (const one of damaged) this.mend(one);
    env.count(COUNT_SCRUBBED, records);
    env.count(COUNT_SCRUB_DAMAGED, damaged.length);
    if (!more) this.inJournal = true;
    return false;
  }

  private mend({ partition, bucket, key }: Damaged): void {
    const { damage, hints, replica } = this.parts;
    if (bucket === HINT_BUCKET) hints.remake(partition, key);
    else if (!replica.rewrite(bucket, key)) damage.found(bucket, key);
  }

  private journalSlice(): boolean {
    const { env, pipeline, onPass } = this.parts;
    const going = pipeline.scrubJournal(LIMITS.scrubBytes, (damaged) => {
      if (damaged) env.count(COUNT_SCRUB_DAMAGED, 1);
    });
    if (going) return false;
    this.inJournal = false;
    this.partition = 0;
    this.bucket = 0;
    this.key = undefined;
    env.gauge(GAUGE_SCRUBBED_AT, Math.floor(env.clock.wallMs() / 1_000));
    // Not so often that trees were never usable in between.
    const nowMs = env.clock.nowMs();
    if (nowMs - this.comparedMs < LIMITS.scrubTreesMs) return true;
    this.comparedMs = nowMs;
    onPass();
    return true;
  }
}
