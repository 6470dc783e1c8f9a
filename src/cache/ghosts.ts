import { mix } from '../base/hash.js';

const WAYS = 4;
const LEAST = 64;

/**
 * The hashes of entries that left lately. Eight bytes each, in sets of four; in a full set the oldest is
 * forgotten early. A hash that is taken for another one costs a place in the wrong queue and nothing else.
 */
export class Ghosts {
  private hashes = new Int32Array(LEAST);
  /** The number of its coming; 0: no ghost stands here. */
  private times = new Int32Array(LEAST);
  private now = 0;
  private known = 0;

  /** How many there are, about. */
  get count(): number {
    return this.known;
  }

  /** @param most so many are remembered from now on */
  add(hash: number, most: number): void {
    if (most > this.hashes.length) this.grow(most);
    this.now = this.now === 0x7fffffff ? 1 : this.now + 1;
    this.known = Math.min(this.known + 1, most);
    this.put(hash, this.now);
  }

  /** Whether a hash left among the last `most`; it is a ghost no more then. */
  take(hash: number, most: number): boolean {
    const first = this.setOf(hash);
    for (let i = first; i < first + WAYS; i++) {
      if (this.hashes[i] !== hash || this.times[i] === 0) continue;
      const isLate = this.now - this.times[i]! < most;
      this.times[i] = 0;
      if (isLate && this.known > 0) this.known--;
      return isLate;
    }
    return false;
  }

  private grow(count: number): void {
    const { hashes, times } = this;
    const size = 2 ** Math.ceil(Math.log2(count));
    this.hashes = new Int32Array(size);
    this.times = new Int32Array(size);
    for (let i = 0; i < hashes.length; i++) if (times[i] !== 0) this.put(hashes[i]!, times[i]!);
  }

  private setOf(hash: number): number {
    return mix(hash) & (this.hashes.length - 1) & ~(WAYS - 1);
  }

  private put(hash: number, time: number): void {
    const first = this.setOf(hash);
    let chosen = first;
    for (let i = first; i < first + WAYS; i++) {
      if (this.hashes[i] === hash) {
        chosen = i;
        break;
      }
      if (this.times[i]! < this.times[chosen]!) chosen = i;
    }
    this.hashes[chosen] = hash;
    this.times[chosen] = time;
  }
}
