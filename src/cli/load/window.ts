/** At most `size` tasks at a time; a task that may not start yet holds up who offers it. */
export class Window {
  #free: number;
  readonly #size: number;
  #wake: (() => void) | undefined;

  constructor(size: number) {
    this.#size = size;
    this.#free = size;
  }

  /** Resolves when the task has started. The task must not reject. */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.#free === 0) await this.#ended();
    this.#free--;
    void task().finally(() => {
      this.#free++;
      this.#wake?.();
    });
  }

  /** Resolves when every task has ended. */
  async drain(): Promise<void> {
    while (this.#free < this.#size) await this.#ended();
  }

  #ended(): Promise<void> {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
