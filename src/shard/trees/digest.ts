import { mix } from '../../base/hash.js';
import {
  ENTRY_WORDS,
  FIXED_WORDS,
  bucketAt,
  keyAt,
  keyLengthAt,
  kindAt,
  metasAt,
  wordsFor,
} from '../../storage/record.js';

/**
 * 64 bits that stand for one version of one key: bucket, key, kind, and per clock entry actor, n
 * and number of values. Nothing that differs between replicas of the same clock goes in: no sequence
 * number, no generation, and no value, since equal dots carry equal values. An entry whose counter is
 * zero says the same as none (versions.md, trap 2).
 *
 * Two lanes of MurmurHash3's mixing that see the same words in the same order with different
 * constants.
 */
export class Digest {
  low = 0;
  high = 0;

  ofRecord(words: Int32Array, at: number): void {
    this.low = bucketAt(words, at) | (kindAt(words, at) << 16);
    this.high = 0x52494e47;
    this.take(keyLengthAt(words, at));
    const key = keyAt(words, at);
    const end = key + wordsFor(keyLengthAt(words, at));
    for (let word = key; word < end; word++) this.take(words[word]!);
    const metas = metasAt(words, at);
    for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) {
      if (words[entry + 1] === 0) continue;
      this.take(words[entry]!);
      this.take(words[entry + 1]!);
      this.take(words[entry + 2]!);
    }
    const low = mix(this.low);
    this.high = mix(this.high ^ low);
    this.low = mix(low ^ this.high);
  }

  private take(word: number): void {
    let a = this.low ^ Math.imul(word, 0xcc9e2d51);
    a = (a << 13) | (a >>> 19);
    this.low = (Math.imul(a, 5) + 0x6546b64) | 0;
    let b = this.high ^ Math.imul(word, 0x1b873593);
    b = (b << 17) | (b >>> 15);
    this.high = (Math.imul(b, 9) + 0x561ccd1b) | 0;
  }

  /** For a set of digests: the lower 53 bits. */
  get number(): number {
    return numberOf(this.low, this.high);
  }
}

export function numberOf(low: number, high: number): number {
  return (low >>> 0) + (high & 0x1f_ffff) * 0x1_0000_0000;
}
