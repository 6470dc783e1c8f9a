import { Memory, paddedWords } from '../../src/base/memory.js';
import { allocateShared, SharedLayout } from '../../src/messaging/layout.js';
import { BufferLayout, type BufferShape } from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Reclaimer } from '../../src/storage/readers.js';
import { encodeRecord, type StoredValue } from '../../src/storage/record-codec.js';
import { KIND_PLAIN, lengthAt } from '../../src/storage/record.js';
import type { Clock } from '../../src/versions/dvvs.js';

/** The actor under which storage tests count versions of a key. */
export const ACTOR = 7;

export const SMALL: BufferShape = { bytes: 8 * 4096, segmentBytes: 4096, segments: 8, maxTableBits: 10 };

export function keyBytesOf(name: string): Uint8Array {
  return new TextEncoder().encode(name);
}

/** Few hashes, so that keys collide. */
export function hashOf(name: string): number {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.charCodeAt(0)) % 61;
  return hash;
}

export function value(text: string, options: Partial<StoredValue> = {}): StoredValue {
  return {
    bytes: keyBytesOf(text),
    contentType: 'text/plain;charset=utf-8',
    time: 1024,
    deleted: false,
    ...options,
  };
}

export interface Encoded {
  readonly words: Int32Array;
  readonly key: Int32Array;
  readonly bytes: number;
}

/** A record in memory of its own. */
export function record(name: string, clock: Clock<StoredValue>, kind = KIND_PLAIN, bucket = 1): Encoded {
  const key = keyBytesOf(name);
  const { words } = encodeRecord({ hash: hashOf(name), partition: 3, bucket }, key, kind, clock);
  const bytes = lengthAt(words, 0);
  return { words: words.slice(0, bytes >>> 2), key: paddedWords(key), bytes };
}

/** Version n of a key: supersedes all before it. */
export function version(name: string, n: number, valueBytes = 40): Encoded {
  return record(name, [{ actor: ACTOR, n, values: [value(`${n}.`.padEnd(valueBytes, 'x'))] }]);
}

/** A buffer in fresh memory, with the words that its readers announce themselves in. */
export function shared(shape: BufferShape = SMALL): {
  memory: SharedArrayBuffer;
  layout: BufferLayout;
  control: Int32Array;
  controlLayout: SharedLayout;
  open: () => ObjectBuffer;
} {
  const rings = allocateShared({
    vnodes: 1,
    callers: 2,
    claimsPerCaller: 16,
    callerRingBytes: 4096,
    vnodeRingBytes: 4096,
  });
  const controlLayout = new SharedLayout(rings.shape);
  const control = new Int32Array(rings.control);
  const layout = new BufferLayout(shape);
  const memory = new SharedArrayBuffer(layout.totalBytes);
  const open = (): ObjectBuffer => new ObjectBuffer(memory, layout, new Reclaimer(control, controlLayout));
  return { memory, layout, control, controlLayout, open };
}

export function memoryOf(bytes: Uint8Array): Memory {
  const memory = Memory.allocate(Math.ceil(bytes.length / 8) * 8);
  memory.bytes.set(bytes);
  return memory;
}
