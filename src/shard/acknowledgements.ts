import type { Pipeline } from '../storage/pipeline.js';
import type { PutCoordinator } from './put-coordinator.js';

/**
 * Hands acknowledgements of other owners to the coordinator of the put. Those that come while the journal
 * is broken wait: nothing is acknowledged to a caller before it is whole again.
 */
export class Acknowledgements {
  private readonly pipeline: Pipeline;
  private readonly puts: PutCoordinator;
  private held: (() => void)[] = [];

  constructor(pipeline: Pipeline, puts: PutCoordinator) {
    this.pipeline = pipeline;
    this.puts = puts;
  }

  take(id: number, from: number, actor: number, good: boolean): void {
    if (this.pipeline.journalWhole) this.puts.acknowledge(id, from, actor, good);
    else this.held.push(() => this.puts.acknowledge(id, from, actor, good));
  }

  /** Goes on with what waited, unless the journal is still being written anew. */
  release(): void {
    if (this.held.length === 0 || this.pipeline.rehoming) return;
    const { held } = this;
    this.held = [];
    // Once the journal has failed for good, what it owes cannot be acknowledged: the deadline answers.
    if (this.pipeline.journalWhole) for (const take of held) take();
  }
}
