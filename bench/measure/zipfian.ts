import type { Random } from './random.js';

/** YCSB's skew: the exponent of the zipfian distribution. */
export const ZIPFIAN_CONSTANT = 0.99;
/** YCSB's scrambled generator draws from so many items, whatever the number of keys, and hashes the draw. */
const SCRAMBLED_ITEMS = 10_000_000_000;
/** So many terms are summed; the rest is an integral, good to twelve digits. */
const EXACT_TERMS = 10_000;

/** The generalised harmonic number: the sum of 1/i^theta for i from 1 to n. */
export function zeta(n: number, theta = ZIPFIAN_CONSTANT): number {
  const exact = Math.min(n, EXACT_TERMS);
  let sum = 0;
  for (let i = 1; i <= exact; i++) sum += i ** -theta;
  if (n === exact) return sum;
  // Euler and Maclaurin: the integral, half of both ends, and the first derivative's correction.
  const [from, to] = [exact, n];
  const integral = (to ** (1 - theta) - from ** (1 - theta)) / (1 - theta);
  const ends = (to ** -theta - from ** -theta) / 2;
  const slope = (-theta * (to ** (-theta - 1) - from ** (-theta - 1))) / 12;
  return sum + integral + ends + slope;
}

/**
 * Ranks from 0 (the most popular) to items - 1, by the method of Gray et al., "Quickly generating
 * billion-record synthetic databases" (SIGMOD 1994), which YCSB uses: one power per draw.
 */
export class Zipfian {
  readonly #random: Random;
  readonly #items: number;
  readonly #zetan: number;
  readonly #alpha: number;
  readonly #eta: number;
  readonly #secondRank: number;

  constructor(random: Random, items: number, theta = ZIPFIAN_CONSTANT) {
    this.#random = random;
    this.#items = items;
    this.#zetan = zeta(items, theta);
    this.#alpha = 1 / (1 - theta);
    this.#eta = (1 - (2 / items) ** (1 - theta)) / (1 - zeta(2, theta) / this.#zetan);
    this.#secondRank = 1 + 0.5 ** theta;
  }

  next(): number {
    const u = this.#random.next();
    const uz = u * this.#zetan;
    if (uz < 1) return 0;
    if (uz < this.#secondRank) return 1;
    return Math.min(
      this.#items - 1,
      Math.floor(this.#items * (this.#eta * u - this.#eta + 1) ** this.#alpha),
    );
  }
}

/** Popular keys scattered over the key space: YCSB's ScrambledZipfianGenerator. */
export class ScrambledZipfian {
  readonly #zipfian: Zipfian;
  readonly #items: number;

  constructor(random: Random, items: number) {
    this.#zipfian = new Zipfian(random, SCRAMBLED_ITEMS);
    this.#items = items;
  }

  next(): number {
    return fnv1a64Modulo(this.#zipfian.next(), this.#items);
  }
}

const OFFSET_HIGH = 0xcbf29ce4;
const OFFSET_LOW = 0x84222325;
const PRIME_LOW = 0x1b3;
const TWO_32 = 4_294_967_296;

/**
 * FNV-1a over the eight bytes of a number, least significant first, as a signed 64-bit number
 * without its sign, modulo `modulus` (below 2^26): what YCSB calls fnvhash64. The prime is
 * 2^40 + 0x1b3, so halves of 32 bits stay exact in doubles.
 */
export function fnv1a64Modulo(value: number, modulus: number): number {
  const [high, low] = fnv1a64(value);
  const negative = high >= 0x8000_0000;
  const absLow = negative ? (TWO_32 - low) % TWO_32 : low;
  const absHigh = negative ? TWO_32 - high - (low === 0 ? 0 : 1) : high;
  return ((absHigh % modulus) * (TWO_32 % modulus) + absLow) % modulus;
}

/** High and low half, unsigned. */
export function fnv1a64(value: number): readonly [number, number] {
  let high = OFFSET_HIGH;
  let low = OFFSET_LOW;
  let rest = value;
  for (let i = 0; i < 8; i++) {
    low = (low ^ (rest % 256)) >>> 0;
    rest = Math.floor(rest / 256);
    const product = low * PRIME_LOW;
    high = (high * PRIME_LOW + Math.floor(product / TWO_32) + low * 256) % TWO_32;
    low = product % TWO_32;
  }
  return [high, low];
}
