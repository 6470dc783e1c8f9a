import { LIMITS } from '../../base/limits.js';
import { keyOfName, type NamedKey, nameOf } from '../key-name.js';

/** How long a tombstone is left alone before it is tried to reap it, and between two tries. */
const PAUSE_MS = 1_000;

/**
 * The keys whose tombstones a virtual node waits to reap, oldest first. It has a limit: beyond it
 * keys are missed, and a later walk over the storage finds them.
 */
export class Graveyard {
  /** When each is due, in this order. */
  private readonly graves = new Map<string, number>();
  /** There are tombstones that are not listed here: what a start finds stored, at first. */
  missed = true;

  get size(): number {
    return this.graves.size;
  }

  put(key: NamedKey, nowMs: number): void {
    const name = nameOf(key);
    if (this.graves.has(name)) return;
    if (this.graves.size >= LIMITS.tombstones) this.missed = true;
    else this.graves.set(name, nowMs + PAUSE_MS);
  }

  /** When the next one is due. */
  get nextMs(): number {
    for (const dueMs of this.graves.values()) return dueMs;
    return Number.POSITIVE_INFINITY;
  }

  /** Takes the oldest one that is due. */
  take(nowMs: number): NamedKey | undefined {
    for (const [name, dueMs] of this.graves) {
      if (dueMs > nowMs) return undefined;
      this.graves.delete(name);
      return keyOfName(name);
    }
    return undefined;
  }
}
