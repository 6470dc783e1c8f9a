import { everyPartition, type Ring } from '../ring/ring.js';
import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import type { Completions } from './completions.js';
import type { VnodeEnvironment } from './environment.js';
import type { Service } from './service.js';
import type { Trees } from './trees/trees.js';
import { EngineWalk, IndexWalk } from './trees/walks.js';

/** Between two slices: everything else comes first. */
const PAUSE_MS = 5;

/** Keeps a list in memory of some of the stored records, and has not got it yet, or had no room for all. */
export interface Lister {
  readonly wantsWalk: boolean;
  walkBegins(): void;
  visit(words: Int32Array, at: number): void;
  ringChanged(): void;
}

/** When a ring change is over: what is stored may be the lister's now. */
export function isSettled({ moves, cleaning }: Ring): boolean {
  return moves === undefined && cleaning === undefined;
}

interface Parts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly trees: Trees;
}

/**
 * Visits every record that was stored when it began, a slice at a time, for whoever keeps lists. What
 * is appended meanwhile may be visited or not: listers hear of that by themselves.
 */
export class StorageWalk implements Service {
  readonly frames = [];
  private readonly parts: Parts;
  private readonly engine: Engine | undefined;
  private readonly listers: readonly Lister[];
  private walk: EngineWalk | IndexWalk | undefined;
  private phase: 'idle' | 'waiting' | 'walking' = 'idle';
  private nextMs = 0;

  constructor(parts: Parts, engine: Engine | undefined, listers: readonly Lister[]) {
    this.parts = parts;
    this.engine = engine;
    this.listers = listers;
  }

  readonly receive = (): void => undefined;

  poll(nowMs: number): number {
    if (this.phase === 'idle' && !this.begin()) return Number.POSITIVE_INFINITY;
    if (nowMs < this.nextMs) return this.nextMs;
    this.nextMs = nowMs + PAUSE_MS;
    if (this.phase === 'waiting') return this.nextMs;
    const { admission } = this.parts.pipeline;
    const step = (): boolean => {
      if (!this.step()) return true;
      this.phase = 'idle';
      return false;
    };
    if (!admission.slice('walk', nowMs, step)) this.nextMs = Math.max(nowMs + 1, admission.nextMs);
    return this.nextMs;
  }

  private begin(): boolean {
    // The rebuild of the trees walks the same records: one after the other.
    if (!this.parts.trees.usable || !this.listers.some(({ wantsWalk }) => wantsWalk)) return false;
    // With an engine what is in the log has to arrive there first.
    this.phase = 'waiting';
    const arrived = (): void => {
      this.phase = 'walking';
      for (const lister of this.listers) lister.walkBegins();
    };
    if (!this.parts.completions.awaitEnginePatiently(arrived)) arrived();
    return true;
  }

  /** True when the end was reached. */
  private step(): boolean {
    if (this.walk instanceof IndexWalk && this.walk.moved) this.walk = undefined;
    this.walk ??= this.newWalk();
    const ended = this.walk.step((words, at) => {
      for (const lister of this.listers) lister.visit(words, at);
    });
    if (ended) this.walk = undefined;
    return ended;
  }

  private newWalk(): EngineWalk | IndexWalk {
    const { env, pipeline } = this.parts;
    return this.engine === undefined
      ? new IndexWalk(pipeline)
      : new EngineWalk(this.engine, pipeline, everyPartition(env.ring));
  }
}
