import { LIMITS } from '../base/limits.js';

/**
 * Keys whose record here cannot be read. Their peers replace them as soon as the trees are without
 * them: until then the trees may still count what stood there, and would find nothing amiss. So trees
 * are made anew once for each such key, when it becomes known, and not again when it is met again.
 */
export class Damage {
  private readonly known = new Set<string>();
  private readonly onNew: () => void;

  /** @param onNew a key became known that may be counted in the trees */
  constructor(onNew: () => void) {
    this.onNew = onNew;
  }

  get size(): number {
    return this.known.size;
  }

  /** A record cannot be read; true if that is new. */
  found(bucket: number, key: Uint8Array): boolean {
    const name = nameOf(bucket, key);
    if (this.known.has(name)) return false;
    // Whoever is forgotten is found again, at the price of trees that are made anew once more.
    if (this.known.size >= LIMITS.knownDamage) this.known.clear();
    this.known.add(name);
    this.onNew();
    return true;
  }

  /** A whole record has taken the place of one that could not be read. */
  replaced(bucket: number, key: Uint8Array): void {
    if (!this.known.delete(nameOf(bucket, key))) this.onNew();
  }
}

function nameOf(bucket: number, key: Uint8Array): string {
  return `${bucket}/${Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')}`;
}
