import { rmSync } from 'node:fs';
import type { FaultPlace, ThreadFault } from '../shard/thread-faults.js';
import type { ToVnode } from '../shard/worker-protocol.js';
import type { Incarnation } from './incarnation.js';
import { Supervisor } from './supervisor.js';

/**
 * A supervisor that harms its threads when that is asked for; it refuses where no thread serves, and, all
 * but `terminate`, unless the store was opened for it.
 */
export class FaultySupervisor extends Supervisor {
  /** Virtual nodes that stay down for a while, and how to start them once their thread is gone. */
  private readonly holds = new Map<number, { timer: NodeJS.Timeout; resume: (() => void) | undefined }>();

  /** Terminates the thread of a virtual node. */
  terminate(ordinal: number): boolean {
    const incarnation = this.readyAt(ordinal);
    if (incarnation === undefined) return false;
    incarnation.wanted = true;
    incarnation.terminate();
    return true;
  }

  /** Asks the thread of a virtual node to harm itself. */
  inject(ordinal: number, fault: ThreadFault, place: FaultPlace = 'loop'): boolean {
    const incarnation = this.harmable(ordinal);
    if (incarnation === undefined) return false;
    incarnation.wanted = true;
    incarnation.tell({ type: 'fault', fault, place });
    return true;
  }

  /** Has the thread of a virtual node do nothing for so long, or for ever. */
  hang(ordinal: number, forMs: number | undefined): boolean {
    return forMs === undefined ? this.inject(ordinal, 'hang') : this.harm(ordinal, { type: 'hang', forMs });
  }

  /** Has the thread of a virtual node damage its own files. */
  corrupt(ordinal: number): boolean {
    return this.directoryOf(ordinal) !== undefined && this.harm(ordinal, { type: 'corrupt' });
  }

  private harm(ordinal: number, message: ToVnode): boolean {
    const incarnation = this.harmable(ordinal);
    incarnation?.tell(message);
    return incarnation !== undefined;
  }

  private harmable(ordinal: number): Incarnation | undefined {
    return this.internals.faults === true ? this.readyAt(ordinal) : undefined;
  }

  /** Deletes the directory of a virtual node under its thread. */
  deleteFiles(ordinal: number): boolean {
    const directory = this.directoryOf(ordinal);
    if (directory === undefined || this.harmable(ordinal) === undefined) return false;
    // The thread may make a file meanwhile.
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    return true;
  }

  /** Terminates the thread of a virtual node and starts the next one only after `forMs`; again, it waits anew. */
  hold(ordinal: number, forMs: number): boolean {
    const held = this.holds.get(ordinal);
    if (this.internals.faults !== true || (held?.resume === undefined && !this.terminate(ordinal)))
      return false;
    clearTimeout(held?.timer);
    const timer = setTimeout(() => this.release(ordinal), forMs).unref();
    this.holds.set(ordinal, { timer, resume: held?.resume });
    return true;
  }

  protected override holdsDown(ordinal: number, resume: () => void): boolean {
    const hold = this.holds.get(ordinal);
    if (hold !== undefined) hold.resume = resume;
    return hold !== undefined;
  }

  /** Starts everything that is held down. */
  releaseAll(): void {
    for (const ordinal of Array.from(this.holds.keys())) this.release(ordinal);
  }

  /** A held virtual node gets its next thread. */
  override release(ordinal: number): void {
    const hold = this.holds.get(ordinal);
    this.holds.delete(ordinal);
    clearTimeout(hold?.timer);
    if (!this.closing) hold?.resume?.();
  }
}
