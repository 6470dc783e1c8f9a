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
