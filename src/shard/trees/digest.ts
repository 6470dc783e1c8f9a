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
  /** The lanes behind the key, from which its versions go on. */
  private keyLow = 0;
  private keyHigh = 0;

  ofRecord(words: Int32Array, at: number): void {
    this.beginKey(words, at);
    this.ofVersion(words, at);
  }

  /** Of a record that has another's place: both differences at once, and the key is read once. */
  ofChange(before: Int32Array, beforeAt: number, words: Int32Array, at: number): void {
    this.beginKey(words, at);
    this.ofVersion(before, beforeAt);
    const { low, high } = this;
    this.ofVersion(words, at);
    this.low ^= low;
    this.high ^= high;
  }

  private beginKey(words: Int32Array, at: number): void {
    const start = bucketAt(words, at) | (keyLengthAt(words, at) << 16);
    const key = keyAt(words, at);
    const end = key + wordsFor(keyLengthAt(words, at));
    let a = mixLow(0x52494e47, start);
    let b = mixHigh(0x4c455421, start);
    for (let word = key; word < end; word++) {
      a = mixLow(a, words[word]!);
      b = mixHigh(b, words[word]!);
    }
    this.keyLow = a;
    this.keyHigh = b;
  }

  private ofVersion(words: Int32Array, at: number): void {
    let a = mixLow(this.keyLow, kindAt(words, at));
    let b = mixHigh(this.keyHigh, kindAt(words, at));
    const metas = metasAt(words, at);
    for (let entry = at + FIXED_WORDS; entry < metas; entry += ENTRY_WORDS) {
      if (words[entry + 1] === 0) continue;
      a = mixLow(mixLow(mixLow(a, words[entry]!), words[entry + 1]!), words[entry + 2]!);
      b = mixHigh(mixHigh(mixHigh(b, words[entry]!), words[entry + 1]!), words[entry + 2]!);
    }
    const low = mix(a);
    this.high = mix(b ^ low);
    this.low = mix(low ^ this.high);
  }

  /** For a set of digests: the lower 53 bits. */
  get number(): number {
    return numberOf(this.low, this.high);
  }
}

function mixLow(state: number, word: number): number {
  const h = state ^ Math.imul(word, 0xcc9e2d51);
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0x6546b64) | 0;
}

function mixHigh(state: number, word: number): number {
  const h = state ^ Math.imul(word, 0x1b873593);
  return (Math.imul((h << 17) | (h >>> 15), 9) + 0x561ccd1b) | 0;
}

export function numberOf(low: number, high: number): number {
  return (low >>> 0) + (high & 0x1f_ffff) * 0x1_0000_0000;
}
