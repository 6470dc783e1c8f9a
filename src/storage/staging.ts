const CHUNK_BYTES = 256 << 10;
const SPARE_CHUNKS = 8;

/**
 * Ordinary memory in which a batch waits to be written. lmdb-js hands the address of a value to
 * its writing thread, unchecked and only safe outside of shared memory, so that the bytes must
 * stay where they are until the commit has resolved.
 */
export class StagingPool {
  readonly #spare: Uint8Array[] = [];

  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(CHUNK_BYTES);
  }

  giveBack(chunk: Uint8Array): void {
    if (this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
  }
}

/** The copies of one batch. */
export class StagedBytes {
  readonly #pool: StagingPool;
  readonly #chunks: Uint8Array[] = [];
  #used = CHUNK_BYTES;

  constructor(pool: StagingPool) {
    this.#pool = pool;
  }

  /** Room of exactly `bytes` bytes, contents undefined. */
  reserve(bytes: number): Uint8Array {
    if (bytes > CHUNK_BYTES / 4) return new Uint8Array(bytes);
    if (this.#used + bytes > CHUNK_BYTES) {
      this.#chunks.push(this.#pool.take());
      this.#used = 0;
    }
    const chunk = this.#chunks[this.#chunks.length - 1]!;
    const view = chunk.subarray(this.#used, this.#used + bytes);
    this.#used += bytes;
    return view;
  }

  copy(bytes: Uint8Array): Uint8Array {
    const view = this.reserve(bytes.length);
    view.set(bytes);
    return view;
  }

  /** Only after the commit has resolved without an error: after a failure the writer may still hold a pointer. */
  recycle(): void {
    for (const chunk of this.#chunks) this.#pool.giveBack(chunk);
    this.#chunks.length = 0;
    this.#used = CHUNK_BYTES;
  }
}
