/**
 * For contrast only: a key with one plain version vector, keyed by coordinator, over all its values,
 * as stores had it before dotted version vectors. The vector says what was seen of the key as a
 * whole, not which value came when; so a put whose context is not the newest can remove nothing,
 * not even what its writer has read.
 */
export class PlainVectorKey<V> {
  #vector: ReadonlyMap<number, number> = new Map();
  #values: readonly V[] = [];

  get(): { readonly values: readonly V[]; readonly context: ReadonlyMap<number, number> } {
    return { values: this.#values, context: this.#vector };
  }

  put(coordinator: number, context: ReadonlyMap<number, number>, value: V): void {
    const current = [...this.#vector].every(([actor, n]) => (context.get(actor) ?? 0) >= n);
    this.#values = current ? [value] : [...this.#values, value];
    const vector = new Map(this.#vector);
    for (const [actor, n] of context) vector.set(actor, Math.max(n, vector.get(actor) ?? 0));
    vector.set(coordinator, (vector.get(coordinator) ?? 0) + 1);
    this.#vector = vector;
  }
}
