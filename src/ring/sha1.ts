/**
 * SHA-1 (FIPS 180-4) for routing: the paper hashes keys with MD5, we with SHA-1, in both cases for
 * an even spread and not for secrecy. Written out because a call into node:crypto costs more than a
 * whole request's routing may, and because this folder has no I/O.
 *
 * Scratch space belongs to the module, that is, to one thread; no call can interleave with another.
 */
const schedule = new Int32Array(80);

/** Round constants above 2^31, as the signed integers that the sums are made of. */
const K3 = 0x8f1bbcdc | 0;
const K4 = 0xca62c1d6 | 0;

/** Bytes that fit into one block beside the 0x80 mark and the 64-bit length. */
const ONE_BLOCK_BYTES = 55;

/**
 * Writes the SHA-1 of `bytes[0..length)` to `out`, five big-endian words as signed integers.
 * Allocates nothing.
 *
 * @param length 0 to bytes.length, below 2^28
 */
export function sha1Into(bytes: Uint8Array, length: number, out: Int32Array): void {
  out[0] = 0x67452301;
  out[1] = 0xefcdab89 | 0;
  out[2] = 0x98badcfe | 0;
  out[3] = 0x10325476;
  out[4] = 0xc3d2e1f0 | 0;
  let offset = 0;
  for (; length - offset >= 64; offset += 64) {
    loadWords(bytes, offset, 16);
    compress(out);
  }
  loadTail(bytes, offset, length);
  if (length - offset > ONE_BLOCK_BYTES) {
    compress(out);
    schedule.fill(0, 0, 16);
  }
  schedule[15] = length << 3;
  compress(out);
}

function loadWords(bytes: Uint8Array, offset: number, words: number): void {
  for (let i = 0, at = offset; i < words; i++, at += 4) {
    schedule[i] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
}

/** The last 0 to 63 bytes, the mark behind them, zeros up to the end of the block. */
function loadTail(bytes: Uint8Array, offset: number, length: number): void {
  const words = (length - offset) >>> 2;
  loadWords(bytes, offset, words);
  let shift = 24;
  let word = 0;
  for (let at = offset + words * 4; at < length; at++, shift -= 8) word |= bytes[at]! << shift;
  schedule[words] = word | (0x80 << shift);
  for (let i = words + 1; i < 16; i++) schedule[i] = 0;
}

/**
 * One block. The last sixteen words of the schedule stay in locals: reading them back from the
 * array costs as much as the rounds themselves. Five rounds per turn of a loop, with the roles of a to e renamed instead of moved:
 * that is what keeps the five words in registers.
 */
function compress(out: Int32Array): void {
  const w = schedule;
  let x = 0;
  let w0 = w[0]!;
  let w1 = w[1]!;
  let w2 = w[2]!;
  let w3 = w[3]!;
  let w4 = w[4]!;
  let w5 = w[5]!;
  let w6 = w[6]!;
  let w7 = w[7]!;
  let w8 = w[8]!;
  let w9 = w[9]!;
  let w10 = w[10]!;
  let w11 = w[11]!;
  let w12 = w[12]!;
  let w13 = w[13]!;
  let w14 = w[14]!;
  let w15 = w[15]!;
  for (let i = 16; i < 80; i += 16) {
    x = w13 ^ w8 ^ w2 ^ w0;
    w[i + 0] = w0 = (x << 1) | (x >>> 31);
    x = w14 ^ w9 ^ w3 ^ w1;
    w[i + 1] = w1 = (x << 1) | (x >>> 31);
    x = w15 ^ w10 ^ w4 ^ w2;
    w[i + 2] = w2 = (x << 1) | (x >>> 31);
    x = w0 ^ w11 ^ w5 ^ w3;
    w[i + 3] = w3 = (x << 1) | (x >>> 31);
    x = w1 ^ w12 ^ w6 ^ w4;
    w[i + 4] = w4 = (x << 1) | (x >>> 31);
    x = w2 ^ w13 ^ w7 ^ w5;
    w[i + 5] = w5 = (x << 1) | (x >>> 31);
    x = w3 ^ w14 ^ w8 ^ w6;
    w[i + 6] = w6 = (x << 1) | (x >>> 31);
    x = w4 ^ w15 ^ w9 ^ w7;
    w[i + 7] = w7 = (x << 1) | (x >>> 31);
    x = w5 ^ w0 ^ w10 ^ w8;
    w[i + 8] = w8 = (x << 1) | (x >>> 31);
    x = w6 ^ w1 ^ w11 ^ w9;
    w[i + 9] = w9 = (x << 1) | (x >>> 31);
    x = w7 ^ w2 ^ w12 ^ w10;
    w[i + 10] = w10 = (x << 1) | (x >>> 31);
    x = w8 ^ w3 ^ w13 ^ w11;
    w[i + 11] = w11 = (x << 1) | (x >>> 31);
    x = w9 ^ w4 ^ w14 ^ w12;
    w[i + 12] = w12 = (x << 1) | (x >>> 31);
    x = w10 ^ w5 ^ w15 ^ w13;
    w[i + 13] = w13 = (x << 1) | (x >>> 31);
    x = w11 ^ w6 ^ w0 ^ w14;
    w[i + 14] = w14 = (x << 1) | (x >>> 31);
    x = w12 ^ w7 ^ w1 ^ w15;
    w[i + 15] = w15 = (x << 1) | (x >>> 31);
  }
  let a = out[0]!;
  let b = out[1]!;
  let c = out[2]!;
  let d = out[3]!;
  let e = out[4]!;
  let i = 0;
  for (; i < 20; i += 5) {
    e = (e + ((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + w[i]! + 0x5a827999) | 0;
    b = (b << 30) | (b >>> 2);
    d = (d + ((e << 5) | (e >>> 27)) + (c ^ (a & (b ^ c))) + w[i + 1]! + 0x5a827999) | 0;
    a = (a << 30) | (a >>> 2);
    c = (c + ((d << 5) | (d >>> 27)) + (b ^ (e & (a ^ b))) + w[i + 2]! + 0x5a827999) | 0;
    e = (e << 30) | (e >>> 2);
    b = (b + ((c << 5) | (c >>> 27)) + (a ^ (d & (e ^ a))) + w[i + 3]! + 0x5a827999) | 0;
    d = (d << 30) | (d >>> 2);
    a = (a + ((b << 5) | (b >>> 27)) + (e ^ (c & (d ^ e))) + w[i + 4]! + 0x5a827999) | 0;
    c = (c << 30) | (c >>> 2);
  }
  for (; i < 40; i += 5) {
    e = (e + ((a << 5) | (a >>> 27)) + (b ^ c ^ d) + w[i]! + 0x6ed9eba1) | 0;
    b = (b << 30) | (b >>> 2);
    d = (d + ((e << 5) | (e >>> 27)) + (a ^ b ^ c) + w[i + 1]! + 0x6ed9eba1) | 0;
    a = (a << 30) | (a >>> 2);
    c = (c + ((d << 5) | (d >>> 27)) + (e ^ a ^ b) + w[i + 2]! + 0x6ed9eba1) | 0;
    e = (e << 30) | (e >>> 2);
    b = (b + ((c << 5) | (c >>> 27)) + (d ^ e ^ a) + w[i + 3]! + 0x6ed9eba1) | 0;
    d = (d << 30) | (d >>> 2);
    a = (a + ((b << 5) | (b >>> 27)) + (c ^ d ^ e) + w[i + 4]! + 0x6ed9eba1) | 0;
    c = (c << 30) | (c >>> 2);
  }
  for (; i < 60; i += 5) {
    e = (e + ((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + w[i]! + K3) | 0;
    b = (b << 30) | (b >>> 2);
    d = (d + ((e << 5) | (e >>> 27)) + ((a & b) | (c & (a | b))) + w[i + 1]! + K3) | 0;
    a = (a << 30) | (a >>> 2);
    c = (c + ((d << 5) | (d >>> 27)) + ((e & a) | (b & (e | a))) + w[i + 2]! + K3) | 0;
    e = (e << 30) | (e >>> 2);
    b = (b + ((c << 5) | (c >>> 27)) + ((d & e) | (a & (d | e))) + w[i + 3]! + K3) | 0;
    d = (d << 30) | (d >>> 2);
    a = (a + ((b << 5) | (b >>> 27)) + ((c & d) | (e & (c | d))) + w[i + 4]! + K3) | 0;
    c = (c << 30) | (c >>> 2);
  }
  for (; i < 80; i += 5) {
    e = (e + ((a << 5) | (a >>> 27)) + (b ^ c ^ d) + w[i]! + K4) | 0;
    b = (b << 30) | (b >>> 2);
    d = (d + ((e << 5) | (e >>> 27)) + (a ^ b ^ c) + w[i + 1]! + K4) | 0;
    a = (a << 30) | (a >>> 2);
    c = (c + ((d << 5) | (d >>> 27)) + (e ^ a ^ b) + w[i + 2]! + K4) | 0;
    e = (e << 30) | (e >>> 2);
    b = (b + ((c << 5) | (c >>> 27)) + (d ^ e ^ a) + w[i + 3]! + K4) | 0;
    d = (d << 30) | (d >>> 2);
    a = (a + ((b << 5) | (b >>> 27)) + (c ^ d ^ e) + w[i + 4]! + K4) | 0;
    c = (c << 30) | (c >>> 2);
  }
  out[0] = (out[0]! + a) | 0;
  out[1] = (out[1]! + b) | 0;
  out[2] = (out[2]! + c) | 0;
  out[3] = (out[3]! + d) | 0;
  out[4] = (out[4]! + e) | 0;
}
