import { fnv1a } from '../base/hash.js';
import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { Clock, Entry } from './dvvs.js';

/**
 * The opaque context that a get returns and a put passes back (§4.1).
 *
 *     context  := version checksum entry*
 *     version  := u8, 1
 *     checksum := u32 little endian: FNV-1a over version and entries
 *     entry    := gap n
 *     gap      := varint: actor - previous actor - 1, where the actor before the first is -1
 *     n        := varint, 1 to 2^32 - 1
 *     varint   := base 128, little endian, 0x80 marks continuation, shortest form only
 *
 * Gaps make unsorted and repeated actors unwritable, and there is one form only: equal contexts are
 * equal bytes. The checksum finds damage, it is no signature: a client can forge a context and
 * thereby lose its own siblings, which it could also do by a delete.
 */
const VERSION = 1;
const HEADER_BYTES = 5;
const MAX_U32 = 0xffff_ffff;
/** Contexts are made here, since most of them are asked for as text: a typed array of its own costs more than all of it. */
const scratch = Buffer.alloc(HEADER_BYTES + LIMITS.contextEntries * 10);

/**
 * The context of everything that the clock knows; live values are left out.
 *
 * @throws RingletError INTERNAL when the clock has more than LIMITS.contextEntries entries:
 * coordinators keep below that, and a context that could not be passed back would be a trap.
 */
export function encodeContext(clock: Clock<unknown>): Uint8Array {
  return new Uint8Array(scratch.subarray(0, encode(clock)));
}

/** The same as base64url without padding. */
export function encodeContextText(clock: Clock<unknown>): string {
  return scratch.toString('base64url', 0, encode(clock));
}

/** Into `scratch`; returns its length. */
function encode(clock: Clock<unknown>): number {
  if (clock.length > LIMITS.contextEntries) {
    throw new RingletError('INTERNAL', 'The clock has too many entries for a context', {
      entries: clock.length,
      limit: LIMITS.contextEntries,
    });
  }
  scratch[0] = VERSION;
  let at = HEADER_BYTES;
  let previous = -1;
  for (const { actor, n } of clock) {
    if (n === 0) continue;
    at = writeVarint(scratch, at, actor - previous - 1);
    at = writeVarint(scratch, at, n);
    previous = actor;
  }
  const checksum = checksumOf(scratch, at);
  for (let byte = 0; byte < 4; byte++) scratch[1 + byte] = checksum >>> (8 * byte);
  return at;
}

/** The version vector in a context. @throws RingletError BAD_CONTEXT, whatever the bytes are. */
export function decodeContext(bytes: Uint8Array): Clock<never> {
  const length = bytes.length;
  if (length > LIMITS.contextBytes) throw bad('too long', { bytes: length, limit: LIMITS.contextBytes });
  if (length < HEADER_BYTES) throw bad('too short', { bytes: length, least: HEADER_BYTES });
  if (bytes[0] !== VERSION) throw bad('of another version', { version: bytes[0]!, supported: VERSION });
  const stored = (bytes[1]! | (bytes[2]! << 8) | (bytes[3]! << 16) | (bytes[4]! << 24)) >>> 0;
  const computed = checksumOf(bytes, length);
  if (stored !== computed) throw bad('damaged', { checksum: stored, expected: computed });

  const clock: Entry<never>[] = [];
  const reader = { at: HEADER_BYTES };
  let previous = -1;
  while (reader.at < length) {
    if (clock.length === LIMITS.contextEntries) throw bad('too large', { limit: LIMITS.contextEntries });
    const actor = previous + 1 + readVarint(bytes, reader);
    if (actor > MAX_U32) throw bad('out of range', { actor, limit: MAX_U32 });
    const n = readVarint(bytes, reader);
    if (n === 0) throw bad('not in its shortest form', { actor, n });
    clock.push({ actor, n, values: [] });
    previous = actor;
  }
  return clock;
}

/**
 * The bytes behind {@link encodeContextText}; decodeContext then checks them.
 *
 * @throws RingletError BAD_CONTEXT for anything that encodeContextText does not return: other
 * alphabets, padding, white space, stray bits.
 */
export function contextFromString(text: string): Uint8Array {
  const longest = Math.ceil((LIMITS.contextBytes * 4) / 3);
  if (text.length > longest) throw bad('too long', { characters: text.length, limit: longest });
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw bad('not base64url', { characters: text.length });
  return new Uint8Array(bytes);
}

/** Over everything but the checksum's own four bytes. */
function checksumOf(bytes: Uint8Array, length: number): number {
  return fnv1a(bytes, HEADER_BYTES, length, fnv1a(bytes, 0, 1));
}

function writeVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

function readVarint(bytes: Uint8Array, reader: { at: number }): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[reader.at];
    if (byte === undefined) throw bad('cut short', { bytes: bytes.length });
    reader.at += 1;
    // A product, as shifts would overflow: the fifth byte reaches bit 34.
    value += (byte & 0x7f) * scale;
    if (value > MAX_U32) throw bad('out of range', { value, limit: MAX_U32 });
    if (byte < 0x80) {
      if (byte === 0 && scale > 1) throw bad('not in its shortest form', { at: reader.at - 1 });
      return value;
    }
    // Four continuation bytes of zeros keep the value small; the length bounds them.
    if (scale > MAX_U32 / 128) throw bad('out of range', { at: reader.at - 1, limit: MAX_U32 });
  }
}

function bad(what: string, details: Readonly<Record<string, number>>): RingletError {
  return new RingletError('BAD_CONTEXT', `The context is ${what}`, details);
}
