import { afterEach, describe, expect, it } from 'vitest';
import {
  CACHE_SEGMENT,
  LOG_SEGMENT,
  SEG_CLEAN,
  SEG_FREE,
  SEG_LIVE,
  SEG_LOG,
  type BufferShape,
} from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { ReaderEpoch, Reclaimer } from '../../src/storage/readers.js';
import { decodeVector } from '../../src/storage/record-codec.js';
import { contentIntact, headIntact, lengthAt, sequenceAt } from '../../src/storage/record.js';
import { CALLER_READER_EPOCH } from '../../src/messaging/layout.js';
import { seeded } from '../versions/model.js';
import { hashOf, keyBytesOf, shared, version } from './support.js';

const SHAPE: BufferShape = { bytes: 8 * 16_384, segmentBytes: 16_384, segments: 8, maxTableBits: 12 };
const { store } = Atomics;

class Stopped extends Error {}

/** Runs `operation` up to its k-th atomic store; false if it has fewer. */
function stopAt(k: number, operation: () => void): boolean {
  let left = k;
  Atomics.store = ((words: Int32Array, at: number, stored: number) => {
    if (left-- === 0) throw new Stopped();
    return store(words, at, stored);
  }) as typeof Atomics.store;
  try {
    operation();
    return false;
  } catch (error) {
    if (error instanceof Stopped) return true;
    throw error;
  } finally {
    Atomics.store = store;
  }
}

function versionOf(buffer: ObjectBuffer, name: string): number {
  const { key } = version(name, 1);
  const byte = buffer.find(hashOf(name), 1, key, keyBytesOf(name).length);
  if (byte === 0) return 0;
  const at = byte >>> 2;
  if (!headIntact(buffer.words, at, buffer.words.length) || !contentIntact(buffer.words, at)) {
    expect.fail(`${name} is torn`);
  }
  return decodeVector(buffer.words, at)[0]!.n;
}

function append(buffer: ObjectBuffer, name: string, n: number, head = LOG_SEGMENT): void {
  const { words, key, bytes } = version(name, n, 8);
  if (!buffer.hasRoom(head, bytes)) {
    buffer.seal(head);
    expect(buffer.open(head)).toBeGreaterThanOrEqual(0);
  }
  buffer.append(head, words, 0, key);
}

afterEach(() => {
  Atomics.store = store;
});

describe('object buffer', () => {
  /** What the model knows: the version of each key that was acknowledged. */
  function prepared(keys: number): { memory: SharedArrayBuffer; known: Map<string, number>; last: number } {
    const place = shared(SHAPE);
    const buffer = place.open();
    buffer.startAt(0, 1, 0);
    const known = new Map<string, number>();
    for (let i = 0; i < keys; i++) {
      append(buffer, `k${i}`, 1);
      known.set(`k${i}`, 1);
    }
    append(buffer, 'k0', 2);
    known.set('k0', 2);
    return { memory: place.memory, known, last: buffer.lastSequence };
  }

  const empty = (buffer: ObjectBuffer): number => buffer.segmentsIn(SEG_CLEAN)[0]!;
  const confirmOldest = (buffer: ObjectBuffer): void => {
    buffer.confirm(buffer.segmentsIn(SEG_LOG)[0]!);
  };
  const evict = (buffer: ObjectBuffer): void => {
    const segment = empty(buffer);
    for (
      let at = buffer.firstRecord(segment);
      at < buffer.endOf(segment);
      at += lengthAt(buffer.words, at) >>> 2
    ) {
      buffer.unlink(at);
    }
    buffer.retire(segment);
    buffer.reclaim();
  };
  const grow = (buffer: ObjectBuffer): void => {
    for (let i = 0; i < 8; i++) {
      buffer.reclaim();
      buffer.growIndex();
    }
  };

  it.each([
    { what: 'appending a new key', keys: 150, run: (b: ObjectBuffer) => append(b, 'new', 1), may: ['new'] },
    { what: 'replacing a record', keys: 150, run: (b: ObjectBuffer) => append(b, 'k7', 2), may: ['k7'] },
    {
      what: 'opening the next segment',
      keys: 150,
      run: (b: ObjectBuffer) => {
        b.seal(LOG_SEGMENT);
        append(b, 'new', 1);
        append(b, 'k3', 2);
      },
      may: ['new', 'k3'],
    },
    {
      what: 'confirming, caching, evicting and reusing a segment',
      keys: 500,
      run: (b: ObjectBuffer) => {
        confirmOldest(b);
        append(b, 'k1', 1, CACHE_SEGMENT);
        evict(b);
        b.seal(LOG_SEGMENT);
        append(b, 'k2', 2);
      },
      may: ['evicted', 'k2'],
    },
    {
      what: 'switching to a larger table',
      keys: 900,
      run: (b: ObjectBuffer) => {
        grow(b);
        append(b, 'k8', 2);
      },
      may: ['k8'],
    },
  ])(
    'a thread that stops between any two stores of $what loses nothing and repeats no number',
    ({ keys, run, may }) => {
      const { memory, known, last } = prepared(keys);
      let stops = 0;
      for (let k = 0; ; k++) {
        const place = shared(SHAPE);
        new Uint8Array(place.memory).set(new Uint8Array(memory));
        const first = place.open();
        const stopped = stopAt(k, () => run(first));
        const next = place.open();
        expect(next.lastSequence, `stop ${k}`).toBeGreaterThanOrEqual(last);
        const evicted = may.includes('evicted');
        for (const [name, n] of known) {
          const found = versionOf(next, name);
          const allowed = may.includes(name) ? [n, n + 1] : [n];
          // Only the first segment, of 204 records, is evicted.
          if (evicted && Number(name.slice(1)) < 204) allowed.push(0);
          if (!allowed.includes(found)) expect(found, `${name} after stop ${k}`).toBe(n);
        }
        checkWhole(next);
        append(next, 'after', 1);
        expect(versionOf(next, 'after'), `stop ${k}`).toBe(1);
        checkWhole(next);
        if (!stopped) break;
        stops++;
      }
      expect(stops).toBeGreaterThan(3);
    },
  );

  /** Sequence numbers rise without a repetition, the index points at whole records, the counts are exact. */
  function checkWhole(buffer: ObjectBuffer): void {
    const seen: number[] = [];
    for (const segment of buffer.segmentsIn(SEG_LOG)) {
      for (
        let at = buffer.firstRecord(segment);
        at < buffer.endOf(segment);
        at += lengthAt(buffer.words, at) >>> 2
      ) {
        seen.push(sequenceAt(buffer.words, at));
      }
    }
    if (!seen.every((sequence, i) => i === 0 || sequence === seen[i - 1]! + 1))
      expect(seen).toBe('without a gap');
    if (seen.length > 0) expect(seen.at(-1)).toBe(buffer.lastSequence);
    const live = new Map<number, number>();
    let keys = 0;
    buffer.index.visit(0, Number.POSITIVE_INFINITY, (byte) => {
      const segment = buffer.layout.segmentOf(byte);
      live.set(segment, (live.get(segment) ?? 0) + lengthAt(buffer.words, byte >>> 2));
      keys++;
    });
    expect(keys).toBe(buffer.index.keys);
    for (const segment of buffer.segmentsIn(SEG_LOG))
      expect(buffer.live(segment)).toBe(live.get(segment) ?? 0);
  }

  it('a successor counts the live bytes of every segment anew', () => {
    const { memory } = prepared(300);
    const place = shared(SHAPE);
    new Uint8Array(place.memory).set(new Uint8Array(memory));
    const words = new Int32Array(place.memory);
    for (let s = 0; s < SHAPE.segments; s++) words[place.layout.segmentWord(s) + SEG_LIVE] = 12_345;
    checkWhole(place.open());
  });

  it('a segment is never reused while a reader that entered before it was retired is inside (random readers)', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = seeded(seed);
      const place = shared(SHAPE);
      const { control, controlLayout } = place;
      const buffer = new ObjectBuffer(place.memory, place.layout, new Reclaimer(control, controlLayout));
      buffer.startAt(0, 1, 0);
      const readers = [0, 1].map((caller) => ({
        epoch: new ReaderEpoch(control, controlLayout.callerWord(caller) + CALLER_READER_EPOCH),
        holds: undefined as { at: number; copy: Int32Array } | undefined,
      }));
      let reused = 0;
      for (let step = 0; step < 3_000; step++) {
        const reader = readers[random(2)]!;
        const { holds } = reader;
        if (holds !== undefined) {
          const now = buffer.words.slice(holds.at, holds.at + holds.copy.length);
          if (!now.every((word, i) => word === holds.copy[i]))
            expect.fail(`seed ${seed}: a read record changed`);
          if (random(20) === 0) {
            reader.holds = undefined;
            reader.epoch.leave();
          }
        } else if (random(10) === 0) {
          reader.epoch.enter();
          const name = `k${random(300)}`;
          const byte = buffer.find(hashOf(name), 1, version(name, 1).key, keyBytesOf(name).length);
          const at = byte >>> 2;
          if (byte === 0) reader.epoch.leave();
          else reader.holds = { at, copy: buffer.words.slice(at, at + (lengthAt(buffer.words, at) >>> 2)) };
        }
        buffer.reclaim();
        buffer.growIndex();
        if (buffer.count(SEG_FREE) > 1 || buffer.hasRoom(LOG_SEGMENT, 200)) {
          append(buffer, `k${random(300)}`, step + 1);
        } else if (buffer.segmentsIn(SEG_CLEAN).length > 0) {
          evict(buffer);
          reused++;
        } else if (buffer.segmentsIn(SEG_LOG).length > 1) {
          confirmOldest(buffer);
        }
      }
      expect(reused, `seed ${seed}`).toBeGreaterThan(2);
    }
  });
});
