import { SlotMap } from '../base/slot-map.js';
import type { Level, Pipeline } from '../storage/pipeline.js';

/** What is to be done when the pipeline has carried a record far enough. */
export class Completions {
  private readonly actions = new SlotMap<() => void>();
  private next = 0;
  /** Actions that were ever run. */
  ran = 0;
  pipeline!: Pipeline;

  /**
   * Runs `action` when the record has reached the level; false if it has already. Behind a journal that has
   * failed for good nothing is kept that could wait for as long as a disk is full.
   */
  awaitLevel(sequence: number, level: Level, action: () => void): boolean {
    if (this.pipeline.journalLost) return true;
    if (!this.pipeline.awaitLevel(sequence, level, this.next)) return false;
    this.actions.set(this.next++, action);
    return true;
  }

  /** Runs `action` when everything appended so far is in the engine; false if it is already. For requests. */
  awaitEngine(action: () => void): boolean {
    return this.whenInEngine(action, false);
  }

  /** The same for background work, which is in no hurry. */
  awaitEnginePatiently(action: () => void): boolean {
    return this.whenInEngine(action, true);
  }

  private whenInEngine(action: () => void, patient: boolean): boolean {
    if (this.pipeline.engineFailed) return true;
    if (!this.pipeline.awaitEngine(this.next, patient)) return false;
    this.actions.set(this.next++, action);
    return true;
  }

  reached(token: number): void {
    const action = this.actions.get(token);
    this.actions.delete(token);
    this.ran++;
    action?.();
  }

  get size(): number {
    return this.actions.size;
  }
}
