import type { Completions } from '../shard/completions.js';
import type { VirtualNode } from '../shard/virtual-node.js';
import type { Journal } from '../storage/journal.js';
import type { Pipeline } from '../storage/pipeline.js';
import type { SimEndpoint } from './network.js';

/** What the next start needs to know after a clean stop (shard/worker-protocol.ts). */
export interface CleanMark {
  readonly nextSequence: number;
  readonly actor: number;
  readonly dotFloor: number;
}

interface Stopping {
  readonly node: VirtualNode;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly journal: Journal;
  readonly endpoint: SimEndpoint;
  readonly deadlineMs: number;
  readonly done: (mark: CleanMark | undefined) => void;
}

/** A cooperative stop, as shard/worker.ts does it: serve what is under way, then drain into the engine. */
export class CleanStop {
  private readonly parts: Stopping;
  private phase: 'serving' | 'draining' | 'over' = 'serving';
  private settled = false;

  constructor(parts: Stopping) {
    this.parts = parts;
  }

  turn(nowMs: number): number {
    const { node, pipeline, completions, journal, endpoint, deadlineMs } = this.parts;
    if (this.phase === 'over') return Number.POSITIVE_INFINITY;
    if (this.phase === 'serving') {
      node.poll(nowMs);
      if ((node.waiting || !endpoint.idle()) && nowMs < deadlineMs) return nowMs + 1;
      this.phase = 'draining';
      this.settled = !completions.awaitEngine(() => (this.settled = true));
    }
    if (this.settled || pipeline.engineFailed || journal.health !== 'healthy') return this.end();
    pipeline.begin(nowMs);
    pipeline.end(nowMs);
    return nowMs + 1;
  }

  private end(): number {
    const { node, pipeline, done } = this.parts;
    const { actor, dotFloor } = node;
    this.phase = 'over';
    done(
      this.settled && actor !== undefined
        ? { nextSequence: pipeline.buffer.lastSequence + 1, actor, dotFloor }
        : undefined,
    );
    return Number.POSITIVE_INFINITY;
  }
}
