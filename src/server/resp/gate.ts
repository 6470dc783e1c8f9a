/**
 * How many requests of this thread the Redis clients may have under way at the store: many
 * connections with deep pipelines would else fill the caller's slots, and the store would refuse.
 */
export class Gate {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(width: number) {
    this.free = width;
  }

  /** Whether one may start at once. */
  tryEnter(): boolean {
    if (this.free === 0) return false;
    this.free--;
    return true;
  }

  async enter(): Promise<void> {
    if (this.tryEnter()) return;
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
    });
  }

  /** The place goes to whoever has waited longest. */
  leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free++;
    else next();
  }

  async within<T>(work: () => Promise<T>): Promise<T> {
    await this.enter();
    try {
      return await work();
    } finally {
      this.leave();
    }
  }
}
