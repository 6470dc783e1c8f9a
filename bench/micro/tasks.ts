import { Random } from '../measure/random.js';
import { paddedWords } from '../../src/base/memory.js';
import { allocateShared, SharedLayout } from '../../src/messaging/layout.js';
import { buildRing, partitionOf } from '../../src/ring/ring.js';
import { sha1Into } from '../../src/ring/sha1.js';
import { BufferLayout, LOG_SEGMENT } from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Reclaimer } from '../../src/storage/readers.js';
import {
  compareClocks,
  decodeClock,
  encodeRecord,
  type StoredValue,
} from '../../src/storage/record-codec.js';
import { KIND_PLAIN, lengthAt, sealHead, verifyRecord } from '../../src/storage/record.js';
import { decodeContext, encodeContext } from '../../src/versions/context.js';
import { type Clock, join, sync, update } from '../../src/versions/dvvs.js';

export interface MicroTask {
  readonly name: string;
  readonly part: 'ring' | 'versions' | 'codec' | 'buffer';
  /** Operations of one run. */
  readonly batch: number;
  readonly run: () => void;
}

const BATCH = 1_000;
const KEYS = 1_000;
const VALUE_BYTES = 100;

/** What every request pays, piece by piece, in one thread and without messages. */
export function microTasks(): readonly MicroTask[] {
  const keys = Array.from({ length: KEYS }, (_, i) => Buffer.from(`key:${String(i).padStart(10, '0')}`));
  return [...ringTasks(keys), ...versionTasks(), ...recordTasks(keys), ...bufferTasks(keys)];
}

/** Keeps results alive, or the loops would be optimised away. */
let sink = 0;
export function usedSink(): number {
  return sink;
}

function times(action: (index: number) => number): () => void {
  return () => {
    for (let i = 0; i < BATCH; i++) sink = (sink + action(i)) | 0;
  };
}

function ringTasks(keys: readonly Buffer[]): readonly MicroTask[] {
  const nodes = Array.from({ length: 4 }, (_, i) => ({ id: `n${i + 1}`, capacity: 1, vnodes: 1 }));
  const ring = buildRing({ partitions: 64, nodes, spacing: 3 });
  const digest = new Int32Array(5);
  const padded = keys.map((key) => Buffer.concat([key, Buffer.alloc(64)]));
  return [
    {
      name: 'SHA-1 of a 14-byte key, its partition and its first owner',
      part: 'ring',
      batch: BATCH,
      run: times((i) => {
        sha1Into(padded[i % KEYS]!, keys[i % KEYS]!.length, digest);
        return ring.preference[partitionOf(ring, digest[0]!) * ring.preferenceLength]!;
      }),
    },
  ];
}

function versionTasks(): readonly MicroTask[] {
  const clock: Clock<string> = [1, 5, 9].map((actor) => ({ actor, n: 4, values: [] }));
  const newer = update(join(clock), 'value', clock, 5);
  const concurrent = update(join(clock), 'other', clock, 9);
  const context = encodeContext(newer);
  return [
    {
      name: 'a put over three actors: update',
      part: 'versions',
      batch: BATCH,
      run: times(() => update(join(clock), 'v', clock, 5).length),
    },
    {
      name: 'merging two concurrent clocks: sync',
      part: 'versions',
      batch: BATCH,
      run: times(() => sync(newer, concurrent).length),
    },
    {
      name: 'a context to bytes and back',
      part: 'versions',
      batch: BATCH,
      run: times(() => decodeContext(context).length + encodeContext(newer).length),
    },
  ];
}

function valueOf(random: Random): StoredValue {
  const bytes = Uint8Array.from({ length: VALUE_BYTES }, () => random.below(256));
  return { bytes, contentType: 'application/octet-stream', time: 1, deleted: false };
}

function recordTasks(keys: readonly Buffer[]): readonly MicroTask[] {
  const clock: Clock<StoredValue> = [{ actor: 7, n: 3, values: [valueOf(new Random(1))] }];
  const place = { hash: 1, partition: 3, bucket: 1 };
  const key = keys[0]!;
  const encoded = encodeRecord(place, key, KIND_PLAIN, clock).words;
  const record = encoded.slice(0, lengthAt(encoded, 0) >>> 2);
  sealHead(record, 0, 0, 0, 0);
  const bytes = new Uint8Array(record.buffer);
  return [
    {
      name: 'a record of 100 bytes: encode, with checksum',
      part: 'codec',
      batch: BATCH,
      run: times(() => encodeRecord(place, key, KIND_PLAIN, clock).words[0]!),
    },
    {
      name: 'the same: decode',
      part: 'codec',
      batch: BATCH,
      run: times(() => decodeClock(record, bytes, 0).length),
    },
    {
      name: 'the same: compare two clocks in place',
      part: 'codec',
      batch: BATCH,
      run: times(() => compareClocks(record, 0, record, 0).length),
    },
    {
      name: 'the same: verify the checksum',
      part: 'codec',
      batch: BATCH,
      run: times(() => Number(verifyRecord(bytes))),
    },
  ];
}

function bufferTasks(keys: readonly Buffer[]): readonly MicroTask[] {
  const shape = { bytes: 64 << 20, segmentBytes: 4 << 20, segments: 16, maxTableBits: 16 };
  const layout = new BufferLayout(shape);
  const shared = allocateShared({
    vnodes: 1,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const controlLayout = new SharedLayout(shared.shape);
  const reclaimer = new Reclaimer(new Int32Array(shared.control), controlLayout);
  const buffer = new ObjectBuffer(new SharedArrayBuffer(layout.totalBytes), layout, reclaimer);
  buffer.startAt(0, 1, 0);
  buffer.open(LOG_SEGMENT);
  const words = keys.map((key) => paddedWords(key));
  const records = keys.map((key, hash) => {
    const clock = [{ actor: 7, n: 1, values: [valueOf(new Random(hash))] }];
    const { words: encoded } = encodeRecord({ hash, partition: 3, bucket: 1 }, key, KIND_PLAIN, clock);
    return encoded.slice(0, lengthAt(encoded, 0) >>> 2);
  });
  records.forEach((record, i) => {
    buffer.append(LOG_SEGMENT, record, 0, words[i]!);
    buffer.growIndex();
  });
  return [
    {
      name: 'the object buffer: find one of 1,000 keys',
      part: 'buffer',
      batch: BATCH,
      run: times((i) => buffer.find(i % KEYS, 1, words[i % KEYS]!, keys[i % KEYS]!.length)),
    },
  ];
}
