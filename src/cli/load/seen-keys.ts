import { createHash } from 'node:crypto';

/** 8 bytes a slot: 128 MiB when full. */
const MAX_SLOTS = 1 << 24;
const LOAD_FACTOR = 0.75;

/**
 * Counts keys that came before, in bounded memory: 53 bits of each key's hash in an open-addressed
 * table. Two different keys are taken for one with a probability of keys² / 2⁵⁴ (1 in 18,000 for a
 * million keys). Beyond 12,582,912 distinct keys no further one is remembered; from then on the
 * count is a lower bound.
 */
export class SeenKeys {
  readonly #maxSlots: number;
  /** 0 is an empty slot. */
  #slots: Float64Array;
  #used = 0;
  #duplicates = 0;
  #full = false;

  constructor(maxSlots = MAX_SLOTS) {
    this.#maxSlots = maxSlots;
    this.#slots = new Float64Array(Math.min(1 << 12, maxSlots));
  }

  get duplicates(): number {
    return this.#duplicates;
  }

  /** Whether `duplicates` is only a lower bound. */
  get incomplete(): boolean {
    return this.#full;
  }

  add(key: string): void {
    const hash = hash53(key);
    const slot = this.#find(this.#slots, hash);
    if (this.#slots[slot] === hash) {
      this.#duplicates++;
      return;
    }
    if (this.#used >= this.#slots.length * LOAD_FACTOR && !this.#grow()) {
      this.#full = true;
      return;
    }
    this.#slots[this.#find(this.#slots, hash)] = hash;
    this.#used++;
  }

  #grow(): boolean {
    if (this.#slots.length >= this.#maxSlots) return false;
    const larger = new Float64Array(this.#slots.length * 2);
    for (const hash of this.#slots) {
      if (hash !== 0) larger[this.#find(larger, hash)] = hash;
    }
    this.#slots = larger;
    return true;
  }

  #find(slots: Float64Array, hash: number): number {
    let slot = hash % slots.length;
    while (slots[slot] !== 0 && slots[slot] !== hash) slot = (slot + 1) % slots.length;
    return slot;
  }
}

/** 1 to 2^53 - 1 */
function hash53(key: string): number {
  const digest = createHash('sha1').update(key).digest();
  return (digest.readUInt32BE(0) & 0x1f_ffff) * 2 ** 32 + digest.readUInt32BE(4) || 1;
}
