interface Acknowledged {
  readonly atMs: number;
  /** Records that each virtual node had appended when the answer came. */
  readonly appended: readonly number[];
}

/**
 * What a killed process had been told, from a file outside of the store with lines
 *
 *   a KEY MS VECTOR   acknowledged; records appended by every virtual node just after
 *   w VECTOR          the watermark: records written by every virtual node
 */
export class AcknowledgedWrites {
  readonly #writes = new Map<number, Acknowledged>();
  #written: readonly number[] = [];

  constructor(lines: string) {
    for (const line of lines.split('\n')) {
      const [what, first, second, third] = line.split(' ');
      if (what === 'a' && third !== undefined) {
        this.#writes.set(Number(first), { atMs: Number(second), appended: third.split(',').map(Number) });
      } else if (what === 'w' && first !== undefined) {
        this.#written = first.split(',').map(Number);
      }
    }
  }

  get size(): number {
    return this.#writes.size;
  }

  get keys(): readonly number[] {
    return [...this.#writes.keys()];
  }

  acknowledgedMs(key: number): number {
    return this.#writes.get(key)!.atMs;
  }

  /** Everything that was appended anywhere up to the acknowledgement was reported as written. */
  isUnderWatermark(key: number): boolean {
    const { appended } = this.#writes.get(key)!;
    return appended.every((count, vnode) => count <= (this.#written[vnode] ?? 0));
  }
}
