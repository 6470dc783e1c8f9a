function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
export function mix(h: number): number {
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** FNV-1a, 32 bits, of bytes [from, to); `before` is that of what stands in front of them. */
export function fnv1a(bytes: Uint8Array, from = 0, to = bytes.length, before = 0x811c9dc5): number {
  let hash = before;
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
  return hash >>> 0;
}

/**
 * A 32-bit checksum of words [from, to): MurmurHash3's mixing in two lanes, so that the
 * multiplications of one overlap with the other's. A change within any single word always shows.
 */
export function hashWords(words: Int32Array, from: number, to: number, seed: number): number {
  let a = seed | 0;
  let b = seed ^ 0x5bd1e995;
  let i = from;
  for (; i + 1 < to; i += 2) {
    a = (Math.imul(rotate(a ^ Math.imul(words[i]!, 0xcc9e2d51), 13), 5) + 0x6546b64) | 0;
    b = (Math.imul(rotate(b ^ Math.imul(words[i + 1]!, 0x1b873593), 13), 5) + 0x561ccd1b) | 0;
  }
  if (i < to) a = (Math.imul(rotate(a ^ Math.imul(words[i]!, 0xcc9e2d51), 13), 5) + 0x6546b64) | 0;
  return mix(a ^ rotate(b, 16) ^ (to - from));
}
