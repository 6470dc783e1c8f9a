import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import type { Completions } from '../completions.js';
import type { VnodeEnvironment } from '../environment.js';
import type { Trees } from '../trees/trees.js';
import { EngineWalk, IndexWalk, type RecordVisitor } from '../trees/walks.js';

/** Between two slices: everything else comes first. */
const PAUSE_MS = 5;

interface Parts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly trees: Trees;
}

/**
 * Visits every record that was stored when it began, a slice at a time, for services that keep a
 * list in memory of some of them and have not got it yet, or had no room for all. What is appended
 * meanwhile may be visited or not.
 */
export class StorageWalk {
  private readonly parts: Parts;
  private readonly engine: Engine | undefined;
  private walk: EngineWalk | IndexWalk | undefined;
  private arrived = false;
  begun = false;
  nextMs = 0;

  constructor(parts: Parts, engine: Engine | undefined) {
    this.parts = parts;
    this.engine = engine;
  }

  /** With an engine what is in the log only has to arrive there first. */
  begin(): void {
    this.begun = true;
    this.arrived = false;
    const waits = this.parts.completions.awaitEngine(() => {
      this.arrived = true;
    });
    if (!waits) this.arrived = true;
  }

  /** True when the end was reached. */
  step(nowMs: number, visit: RecordVisitor): boolean {
    if (nowMs < this.nextMs) return false;
    this.nextMs = nowMs + PAUSE_MS;
    // The rebuild of the trees walks the same records: one after the other.
    if (!this.arrived || !this.parts.trees.usable) return false;
    if (this.walk instanceof IndexWalk && this.walk.moved) this.walk = undefined;
    this.walk ??= this.newWalk();
    if (!this.walk.step(visit)) return false;
    this.walk = undefined;
    this.begun = false;
    this.nextMs = Number.POSITIVE_INFINITY;
    return true;
  }

  private newWalk(): EngineWalk | IndexWalk {
    const { env, pipeline } = this.parts;
    return this.engine === undefined
      ? new IndexWalk(pipeline)
      : new EngineWalk(this.engine, pipeline, 0, env.ring.partitions);
  }
}
