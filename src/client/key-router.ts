import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { packBytes } from '../base/memory.js';
import { partitionOf, type Ring } from '../ring/ring.js';
import { sha1Into } from '../ring/sha1.js';
import type { Key } from './api.js';
import { checkText } from './arguments.js';
import type { LocatedKey } from './request.js';

const encoder = new TextEncoder();

/**
 * Where a key lives. One router serves one thread; `locate` leaves its answer in the fields below,
 * valid until the next call, so that routing allocates nothing.
 */
export class KeyRouter {
  private readonly ring: Ring;
  private readonly digest = new Int32Array(5);
  /** The key, padded with zeros to a word. */
  readonly words = new Int32Array(((LIMITS.keyBytes + 3) >>> 2) + 1);
  readonly bytes = new Uint8Array(this.words.buffer);
  keyBytes = 0;
  partition = 0;
  /** Second word of the SHA-1: what indexes inside virtual nodes use. */
  hash = 0;

  constructor(ring: Ring) {
    this.ring = ring;
  }

  /** What was located last, if it is to be known again: to look whether a string is the same costs as much as its hash. */
  private last: LocatedKey | undefined;

  /** @throws RingletError KEY_TOO_LARGE, BAD_REQUEST for an empty key, half a surrogate pair, or what is neither string nor bytes */
  locate(key: Key): void {
    this.last = undefined;
    this.place(typeof key === 'string' ? this.encode(key) : this.copy(key));
  }

  /** A key that was located before; whatever it is made from is looked at only if another one was since. */
  locateAgain(key: LocatedKey): void {
    if (key === this.last) return;
    this.locate(key.source);
    this.last = key;
  }

  private place(length: number): void {
    if (length === 0) throw new RingletError('BAD_REQUEST', 'a key has at least 1 byte', { keyBytes: 0 });
    this.words[length >>> 2]! &= MASKS[length & 3]!;
    this.keyBytes = length;
    sha1Into(this.bytes, length, this.digest);
    this.partition = partitionOf(this.ring, this.digest[0]!);
    this.hash = this.digest[1]!;
  }

  /** The bytes that were located just now never change, and may be known again by this object. */
  remember(key: LocatedKey): void {
    this.last = key;
  }

  /** As {@link locate}, of a part of some bytes. */
  locatePart(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > LIMITS.keyBytes) throw tooLarge(length);
    this.last = undefined;
    packBytes(bytes, start, this.words, 0, length);
    this.place(length);
  }

  /** The located key as words. */
  get keyWords(): number {
    return (this.keyBytes + 3) >>> 2;
  }

  private encode(key: string): number {
    const { bytes } = this;
    if (key.length <= 64) {
      let i = 0;
      for (; i < key.length; i++) {
        const code = key.charCodeAt(i);
        if (code > 0x7f) break;
        bytes[i] = code;
      }
      if (i === key.length) return i;
    }
    const { read, written } = encoder.encodeInto(key, bytes.subarray(0, LIMITS.keyBytes));
    if (read < key.length) throw tooLarge(Buffer.byteLength(key));
    checkText('key', key);
    return written;
  }

  private copy(key: Uint8Array): number {
    if (!(key instanceof Uint8Array)) {
      throw new RingletError('BAD_REQUEST', 'a key is a string or a Uint8Array', { type: typeof key });
    }
    if (key.length > LIMITS.keyBytes) throw tooLarge(key.length);
    // Memory that was transferred has no bytes, and cannot be read.
    if (key.length > 0) this.bytes.set(key);
    return key.length;
  }
}

/** Keeps the bytes of the last word that belong to the key. */
const MASKS = [0, 0xff, 0xffff, 0xffffff] as const;

function tooLarge(keyBytes: number): RingletError {
  return new RingletError(
    'KEY_TOO_LARGE',
    `a key has at most ${LIMITS.keyBytes} bytes, this one has ${keyBytes}`,
    {
      keyBytes,
      limit: LIMITS.keyBytes,
    },
  );
}
