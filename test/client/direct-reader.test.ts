import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import type { CallerRing } from '../../src/client/caller-ring.js';
import { DirectReader } from '../../src/client/direct-reader.js';
import { KeyRouter } from '../../src/client/key-router.js';
import { copyValue } from '../../src/client/value-pool.js';
import type { StoreView } from '../../src/client/view.js';
import {
  allocateShared,
  SharedLayout,
  STATE_FAULTED,
  STATE_SERVING,
  STORE_CLOSING,
  STORE_OPEN,
  STORE_READER_EPOCH,
  STORE_STATE,
  VNODE_HINTED,
} from '../../src/messaging/layout.js';
import { raiseReaderEpoch, setVnodeState } from '../../src/messaging/reader-epoch.js';
import { setVnodeBit } from '../../src/messaging/vnode-bits.js';
import { buildRing } from '../../src/ring/ring.js';
import { BufferLayout, LOG_SEGMENT, type BufferShape } from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Reclaimer } from '../../src/storage/readers.js';
import { encodeRecord } from '../../src/storage/record-codec.js';

const SHAPE: BufferShape = { bytes: 8 << 17, segmentBytes: 1 << 17, segments: 8, maxTableBits: 14 };
const BUCKET = 7;

function place() {
  const shared = allocateShared({
    vnodes: 1,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const control = new Int32Array(shared.control);
  const layout = new SharedLayout(shared.shape);
  control[STORE_READER_EPOCH] = 1;
  Atomics.store(control, STORE_STATE, STORE_OPEN);
  setVnodeState(control, layout, 0, STATE_SERVING);
  const bufferLayout = new BufferLayout(SHAPE);
  const memory = new SharedArrayBuffer(bufferLayout.totalBytes);
  const buffer = new ObjectBuffer(memory, bufferLayout, new Reclaimer(control, layout));
  const ring = buildRing({ partitions: 16, spacing: 1, nodes: [{ id: 'n1', capacity: 1, vnodes: 1 }] });
  const router = new KeyRouter(ring);
  const view = { shared, buffers: [memory], bufferShape: SHAPE, ring } as unknown as StoreView;
  const reader = new DirectReader(view, 0, { follow: () => undefined } as unknown as CallerRing);
  const put = (key: string): void => {
    router.locate(key);
    const value = { bytes: new Uint8Array(8), contentType: 'application/json', time: 1, deleted: false };
    const { words } = encodeRecord(
      { hash: router.hash, partition: router.partition, bucket: BUCKET },
      router.bytes.subarray(0, router.keyBytes),
      0,
      [{ actor: 1, n: 1, values: [value] }],
    );
    if (!buffer.hasRoom(LOG_SEGMENT, 200)) {
      buffer.seal(LOG_SEGMENT);
      buffer.open(LOG_SEGMENT);
    }
    buffer.append(LOG_SEGMENT, words, 0, router.words);
    buffer.reclaim();
    buffer.growIndex();
  };
  const read = (key: string): 'found' | 'no' | 'closed' => {
    router.locate(key);
    try {
      if (!reader.enter()) return 'closed';
      return reader.find(0, BUCKET, router) >= 0 ? 'found' : 'no';
    } finally {
      reader.leave();
    }
  };
  return { control, layout, reader, put, read, named: () => new Int32Array(memory)[0]! };
}

it('a key is found by a reader that has looked before it was put, and through every growth of the index', () => {
  const { put, read, named } = place();
  expect(read('first')).toBe('no');
  put('first');
  const tables = new Set<number>();
  for (let i = 0; i < 3_000; i++) {
    put(`k${i}`);
    tables.add(named());
    if (read(`k${i}`) !== 'found' || read('first') !== 'found') expect.fail(`key ${i} is not found`);
  }
  expect(tables.size).toBeGreaterThan(2);
});

it('nothing is read of a virtual node that does not serve, or for which hints wait', () => {
  const { control, layout, put, read } = place();
  put('a');
  expect(read('a')).toBe('found');
  setVnodeState(control, layout, 0, STATE_FAULTED);
  expect(read('a')).toBe('no');
  setVnodeState(control, layout, 0, STATE_SERVING);
  expect(read('a')).toBe('found');
  expect(setVnodeBit(control, layout.vnodeWord(0) + VNODE_HINTED, 40, true)).toBe(true);
  raiseReaderEpoch(control);
  expect(read('a')).toBe('no');
  expect(setVnodeBit(control, layout.vnodeWord(0) + VNODE_HINTED, 40, true)).toBe(false);
  Atomics.store(control, STORE_STATE, STORE_CLOSING);
  raiseReaderEpoch(control);
  expect(read('a')).toBe('closed');
});

it('a read during which a virtual node ceased to serve is known as such', () => {
  const { control, layout, reader } = place();
  reader.enter();
  expect(reader.unchanged).toBe(true);
  setVnodeState(control, layout, 0, STATE_FAULTED);
  expect(reader.unchanged).toBe(false);
  reader.leave();
});

it('values that share a chunk do not share bytes, whatever their lengths', () => {
  const source = Uint8Array.from({ length: 8_192 }, (_, i) => (i * 7) & 0xff);
  const words = new Int32Array(source.buffer);
  const lengths = Array.from({ length: 400 }, (_, i) => (i * 37) % 300).concat(0, 4_095, 4_096, 4_097, 5_000);
  const values = lengths.map((length, i) => copyValue(words, source, i, length));
  values.forEach((value, i) => {
    expect(Buffer.isBuffer(value)).toBe(true);
    if (!value.equals(source.subarray(i * 4, i * 4 + lengths[i]!))) expect.fail(`value ${i} is damaged`);
  });
  // Whoever transfers one value must not take the others with it: Node ignores it, or throws from 21 on.
  const { port1 } = new MessageChannel();
  try {
    port1.postMessage(null, [values[1]!.buffer as ArrayBuffer]);
  } catch {
    // It throws.
  }
  port1.close();
  expect(values[1]!.length).toBe(lengths[1]);
});
