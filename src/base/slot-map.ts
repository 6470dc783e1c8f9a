/** A key is none of these. */
const EMPTY = -1;
const LEAST_BITS = 6;
/** 2^32 divided by the golden ratio: keys that follow one another lie apart. */
const SPREAD = 0x9e3779b1;

/**
 * Whole numbers from 0 on to values, for entries that come and go with each request. A `Map` (or `Set`) makes
 * itself a new table every few dozen of them, and each old table refers to the next. Once one of them has
 * grown old, V8's young generation takes all that follow for alive, with what they held: then every
 * request is copied, twice, and lives until the next full collection. Here the table stays, until it grows.
 */
export class SlotMap<V> {
  private bits = LEAST_BITS;
  private keys = new Float64Array(1 << LEAST_BITS).fill(EMPTY);
  private values: (V | undefined)[] = Array.from({ length: 1 << LEAST_BITS });
  private count = 0;

  get size(): number {
    return this.count;
  }

  get(key: number): V | undefined {
    const at = this.find(key);
    return at < 0 ? undefined : this.values[at];
  }

  set(key: number, value: V): void {
    const at = this.find(key);
    if (at >= 0) {
      this.values[at] = value;
      return;
    }
    if (this.count * 4 >= this.keys.length * 3) this.grow();
    this.put(key, value);
    this.count++;
  }

  delete(key: number): boolean {
    const { keys, values } = this;
    let hole = this.find(key);
    if (hole < 0) return false;
    const mask = keys.length - 1;
    // Entries behind it move up, unless they stand in front of where their search begins.
    for (let at = (hole + 1) & mask; keys[at] !== EMPTY; at = (at + 1) & mask) {
      const distance = (at - this.home(keys[at]!)) & mask;
      if (distance < ((at - hole) & mask)) continue;
      keys[hole] = keys[at]!;
      values[hole] = values[at];
      hole = at;
    }
    keys[hole] = EMPTY;
    values[hole] = undefined;
    this.count--;
    return true;
  }

  /** As they are now, by ascending keys. */
  entries(): (readonly [key: number, value: V])[] {
    const found: (readonly [number, V])[] = [];
    const { keys, values } = this;
    for (let at = 0; found.length < this.count; at++)
      if (keys[at] !== EMPTY) found.push([keys[at]!, values[at]!]);
    return found.sort(([a], [b]) => a - b);
  }

  private home(key: number): number {
    return Math.imul(key, SPREAD) >>> (32 - this.bits);
  }

  private find(key: number): number {
    const { keys } = this;
    const mask = keys.length - 1;
    let at = this.home(key);
    for (; keys[at] !== EMPTY; at = (at + 1) & mask) if (keys[at] === key) return at;
    return -1;
  }

  /** A key that is not there, where there is room. */
  private put(key: number, value: V): void {
    const { keys } = this;
    const mask = keys.length - 1;
    let at = this.home(key);
    while (keys[at] !== EMPTY) at = (at + 1) & mask;
    keys[at] = key;
    this.values[at] = value;
  }

  private grow(): void {
    const { keys, values } = this;
    this.bits++;
    this.keys = new Float64Array(keys.length * 2).fill(EMPTY);
    this.values = Array.from({ length: keys.length * 2 });
    for (const [at, key] of keys.entries()) if (key !== EMPTY) this.put(key, values[at]!);
  }
}
