/** Something that is going to happen; cleared when it will not any more. */
export interface Planned {
  readonly atMs: number;
  readonly order: number;
  action: (() => void) | undefined;
}

/** The virtual clock: a heap of what is to happen, equal times in the order of their planning. */
export class Scheduler {
  nowMs: number;
  private readonly heap: Planned[] = [];
  private order = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  at(atMs: number, action: () => void): Planned {
    const planned: Planned = { atMs: Math.max(atMs, this.nowMs), order: this.order++, action };
    this.heap.push(planned);
    this.rise(this.heap.length - 1);
    return planned;
  }

  after(milliseconds: number, action: () => void): Planned {
    return this.at(this.nowMs + milliseconds, action);
  }

  /** Lets everything happen up to a time, which then is now. */
  runUntil(untilMs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.atMs <= untilMs; next = this.heap[0]) {
      this.take();
      this.nowMs = next.atMs;
      next.action?.();
    }
    this.nowMs = untilMs;
  }

  private take(): void {
    const last = this.heap.pop()!;
    if (this.heap.length === 0) return;
    this.heap[0] = last;
    this.sink();
  }

  private rise(from: number): void {
    const { heap } = this;
    const item = heap[from]!;
    let i = from;
    while (i > 0) {
      const above = (i - 1) >>> 1;
      if (!isBefore(item, heap[above]!)) break;
      heap[i] = heap[above]!;
      i = above;
    }
    heap[i] = item;
  }

  private sink(): void {
    const { heap } = this;
    const item = heap[0]!;
    let i = 0;
    for (;;) {
      let below = 2 * i + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, item)) break;
      heap[i] = heap[below]!;
      i = below;
    }
    heap[i] = item;
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
