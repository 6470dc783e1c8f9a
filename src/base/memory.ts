/** One buffer seen as bytes and as 32-bit words. All our layouts are little-endian and 4-byte aligned. */
export class Memory {
  readonly buffer: ArrayBufferLike;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  constructor(buffer: ArrayBufferLike, byteOffset = 0, byteLength = buffer.byteLength - byteOffset) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.words = new Int32Array(buffer, byteOffset, byteLength >>> 2);
  }

  static allocate(bytes: number): Memory {
    return new Memory(new ArrayBuffer(bytes));
  }
}

const LEAST_SCRATCH_BYTES = 64 << 10;
const MOST_SCRATCH_BYTES = 4 << 20;

/** Memory for one thing at a time. What is longer than most things gets memory of its own, which goes with it. */
export class Scratch {
  private kept = Memory.allocate(LEAST_SCRATCH_BYTES);

  /** At least so many bytes, contents undefined; the same again at the next call. */
  of(bytes: number): Memory {
    if (bytes <= this.kept.bytes.length) return this.kept;
    if (bytes > MOST_SCRATCH_BYTES) return Memory.allocate(align(bytes, 8));
    this.kept = Memory.allocate(Math.min(MOST_SCRATCH_BYTES, align(bytes * 2, 8)));
    return this.kept;
  }
}

/** Below this many words a plain loop beats `set`, above it the other way round (measured on shared memory). */
const LOOP_WORDS = 128;

/** Copies whole words; small copies into shared memory by `set` are 4–9 times slower than this loop (node#62032). */
export function copyWords(
  from: Int32Array,
  fromWord: number,
  to: Int32Array,
  toWord: number,
  count: number,
): void {
  if (count <= LOOP_WORDS) {
    for (let i = 0; i < count; i++) to[toWord + i] = from[fromWord + i]!;
  } else {
    to.set(from.subarray(fromWord, fromWord + count), toWord);
  }
}

/** Copies bytes between any two buffers. */
export function copyBytes(
  from: Uint8Array,
  fromByte: number,
  to: Uint8Array,
  toByte: number,
  count: number,
): void {
  if (count <= 256) {
    for (let i = 0; i < count; i++) to[toByte + i] = from[fromByte + i]!;
  } else {
    to.set(from.subarray(fromByte, fromByte + count), toByte);
  }
}

/**
 * Bytes from anywhere into whole words, the last one padded with zeros. Nothing is read behind them.
 * For some dozens of bytes to or from shared memory this and {@link unpackBytes} take a half to a
 * quarter of what a loop over single bytes does (measured with values of 100 bytes).
 */
export function packBytes(
  from: Uint8Array,
  fromByte: number,
  to: Int32Array,
  toWord: number,
  count: number,
): void {
  const end = fromByte + count;
  if (count > LOOP_WORDS * 4) {
    to[toWord + ((count - 1) >>> 2)] = 0;
    new Uint8Array(to.buffer, to.byteOffset + toWord * 4, count).set(from.subarray(fromByte, end));
    return;
  }
  let byte = fromByte;
  let word = toWord;
  for (; byte + 4 <= end; byte += 4) {
    to[word++] = from[byte]! | (from[byte + 1]! << 8) | (from[byte + 2]! << 16) | (from[byte + 3]! << 24);
  }
  if (byte === end) return;
  let last = 0;
  for (let shift = 0; byte < end; byte++, shift += 8) last |= from[byte]! << shift;
  to[word] = last;
}

/** The bytes that begin at a word, to anywhere. */
export function unpackBytes(
  from: Int32Array,
  fromWord: number,
  to: Uint8Array,
  toByte: number,
  count: number,
): void {
  const end = toByte + count;
  if (count > LOOP_WORDS * 4) {
    to.set(new Uint8Array(from.buffer, from.byteOffset + fromWord * 4, count), toByte);
    return;
  }
  let byte = toByte;
  let word = fromWord;
  for (; byte + 4 <= end; byte += 4) {
    const four = from[word++]!;
    to[byte] = four;
    to[byte + 1] = four >>> 8;
    to[byte + 2] = four >>> 16;
    to[byte + 3] = four >>> 24;
  }
  for (let last = byte < end ? from[word]! : 0; byte < end; byte++, last >>>= 8) to[byte] = last;
}

const float = new Float64Array(1);
const floatWords = new Int32Array(float.buffer);

/** A double at a 4-byte aligned place. */
export function readDouble(words: Int32Array, word: number): number {
  floatWords[0] = words[word]!;
  floatWords[1] = words[word + 1]!;
  return float[0]!;
}

export function writeDouble(words: Int32Array, word: number, value: number): void {
  float[0] = value;
  words[word] = floatWords[0]!;
  words[word + 1] = floatWords[1]!;
}

export function align(bytes: number, to: number): number {
  return Math.ceil(bytes / to) * to;
}

/** Bytes as words, the last one padded with zeros. */
export function paddedWords(bytes: Uint8Array): Int32Array {
  const words = new Int32Array((bytes.length + 3) >>> 2);
  new Uint8Array(words.buffer).set(bytes);
  return words;
}
