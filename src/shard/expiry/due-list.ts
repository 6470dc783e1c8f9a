import { LIMITS } from '../../base/limits.js';

/** Keys that expire within so long of each other are one step. */
const STEP_MS = 256;

/**
 * Names of keys by the time at which something of them expires. It has a limit: beyond it the
 * latest are dropped, and nothing behind the *horizon* is listed any more until a walk over the
 * storage has listed everything anew.
 */
export class DueList {
  private readonly steps = new Map<number, string[]>();
  /** The steps there are, ascending. */
  private readonly order: number[] = [];
  private horizon = Number.POSITIVE_INFINITY;
  size = 0;

  /** There are keys that are not listed here. */
  get missed(): boolean {
    return this.horizon !== Number.POSITIVE_INFINITY;
  }

  /** A walk begins: from now on everything is to be listed. */
  reset(): void {
    this.horizon = Number.POSITIVE_INFINITY;
  }

  add(name: string, dueMs: number): void {
    const step = Math.ceil(dueMs / STEP_MS);
    if (step >= this.horizon) return;
    const names = this.steps.get(step);
    if (names === undefined) {
      this.steps.set(step, [name]);
      this.order.splice(this.placeOf(step), 0, step);
    } else {
      names.push(name);
    }
    if (++this.size > LIMITS.expiring) this.dropLatest();
  }

  /** Where a step belongs; most are near the end. */
  private placeOf(step: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.order[middle]! < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private dropLatest(): void {
    const step = this.order.pop()!;
    this.size -= this.steps.get(step)!.length;
    this.steps.delete(step);
    this.horizon = step;
  }

  /** When something is due next, in the time of the expiries. */
  get nextMs(): number {
    return this.order.length === 0 ? Number.POSITIVE_INFINITY : this.order[0]! * STEP_MS;
  }

  /** Takes a name that is due; undefined if there is none. */
  take(nowMs: number): string | undefined {
    const step = this.order[0];
    if (step === undefined || step * STEP_MS > nowMs) return undefined;
    const names = this.steps.get(step)!;
    const name = names.pop()!;
    this.size--;
    if (names.length === 0) {
      this.steps.delete(step);
      this.order.shift();
    }
    return name;
  }
}
