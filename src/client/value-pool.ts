import { markAsUntransferable } from 'node:worker_threads';
import { copyBytes, copyWords } from '../base/memory.js';

/** The same bytes as a Buffer, which is what callers get however a value was read; what is none is left alone. */
export function bufferOf(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer || !(bytes instanceof Uint8Array)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

const CHUNK_BYTES = 16 << 10;
/** A value that takes more of a chunk has memory of its own. */
const MOST_BYTES = CHUNK_BYTES / 4;

/** What `new Buffer` made and `Buffer.from(arrayBuffer, …)` still makes after its checks, which cost more than the rest. */
const PlainBuffer = (
  Buffer as unknown as {
    readonly [Symbol.species]: new (memory: ArrayBuffer, at: number, length: number) => Buffer;
  }
)[Symbol.species];

let words = new Int32Array(0);
let memory: ArrayBuffer;
let at = CHUNK_BYTES;

/**
 * Copies a value out of shared memory into a Buffer. As with `Buffer.allocUnsafe`, small ones share
 * a chunk, which is why that cannot be transferred; but copied by words, which they begin at here
 * and there (25 steps instead of 100 for 100 bytes).
 */
export function copyValue(
  fromWords: Int32Array,
  fromBytes: Uint8Array,
  word: number,
  length: number,
): Buffer {
  if (length > MOST_BYTES || length === 0) {
    const own = Buffer.allocUnsafeSlow(length);
    copyBytes(fromBytes, word * 4, own, 0, length);
    return own;
  }
  const count = (length + 3) >>> 2;
  if (at + count * 4 > CHUNK_BYTES) {
    memory = new ArrayBuffer(CHUNK_BYTES);
    markAsUntransferable(memory);
    words = new Int32Array(memory);
    at = 0;
  }
  copyWords(fromWords, word, words, at >>> 2, count);
  const value = new PlainBuffer(memory, at, length);
  at += (count + (count & 1)) * 4;
  return value;
}
