import { describe, expect, it } from 'vitest';
import { paddedWords } from '../../src/base/memory.js';
import {
  CACHE_SEGMENT,
  LOG_SEGMENT,
  SEG_CLEAN,
  SEG_LOG,
  SEG_RETIRED_STATE,
} from '../../src/storage/buffer-layout.js';
import { Cleaner } from '../../src/storage/cleaner.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { decodeVector, encodeRecord } from '../../src/storage/record-codec.js';
import { keyLengthAt, verifyRecord } from '../../src/storage/record.js';
import { seeded } from '../versions/model.js';
import { ACTOR, hashOf, keyBytesOf, record, shared, value, version } from './support.js';

const LONG = process.env['RINGLET_LONG'] !== undefined;
const LONG_KEY = 'read by a cache';
const SHAPE = { bytes: 10 * 8_192, segmentBytes: 8_192, segments: 10, maxTableBits: 11 };

describe('compaction in the memory engine', () => {
  it('keeps every key under random overwrites and deletes, refuses when all is live, and makes room again', () => {
    for (let seed = 0; seed < (LONG ? 12 : 4); seed++) {
      const random = seeded(seed);
      const { open } = shared(SHAPE);
      const buffer = open();
      const pipeline = new Pipeline(
        buffer,
        undefined,
        { flushMs: 20, checkpointMs: 1, onProgress: () => undefined },
        () => undefined,
      );
      const known = new Map<string, { n: number; bytes: number }>();
      let clock = 0;
      let refused = 0;
      let compacted = 0;
      const read = (name: string): number => {
        const byte = buffer.find(hashOf(name), 1, version(name, 1).key, keyBytesOf(name).length);
        if (byte === 0) return 0;
        const at = byte >>> 2;
        expect(verifyRecord(buffer.memory.bytes.slice(byte, byte + buffer.words[at + 1]!))).toBe(true);
        return decodeVector(buffer.words, at)[0]!.n;
      };
      const put = (name: string, valueBytes: number): string => {
        const n = ++clock;
        const { words, key, bytes } = record(name, [
          { actor: ACTOR, n, values: [value('x'.repeat(valueBytes), { deleted: valueBytes === 0 })] },
        ]);
        const before = known.get(name)?.bytes ?? 0;
        for (let i = 0; ; i++) {
          pipeline.begin(clock);
          const room = pipeline.room(bytes, bytes < before);
          if (room === 'ready') {
            pipeline.append(words, 0, key);
            known.set(name, { n, bytes });
          }
          pipeline.end(clock);
          if (buffer.count(SEG_RETIRED_STATE) > 0) compacted++;
          if (room !== 'wait') return room;
          if (i > 1_000) expect.fail(`seed ${seed}: waits for ever`);
        }
      };
      for (let step = 0; step < 4_000; step++) {
        const keys = step < 2_000 ? 40 : 400;
        if (put(`k${random(keys)}`, random(5) === 0 ? 0 : 1 + random(400)) === 'full') refused++;
      }
      for (const [name, { n }] of known) expect(read(name), `seed ${seed} ${name}`).toBe(n);
      expect(refused, `seed ${seed}`).toBeGreaterThan(0);
      expect(compacted).toBeGreaterThan(5);
      for (const [name, { bytes }] of known) {
        if (bytes > 100) expect(put(name, 0), `seed ${seed}: a delete makes room`).toBe('ready');
      }
      expect(put('fresh', 400)).toBe('ready');
      for (const [name, { n }] of known) expect(read(name), `seed ${seed} ${name}`).toBe(n);
    }
  });
});

describe('a compaction that takes many turns', () => {
  it('is never starved of its last free segment by large puts that arrive meanwhile', () => {
    const shape = { bytes: 8 * 262_144, segmentBytes: 262_144, segments: 8, maxTableBits: 15 };
    const buffer = shared(shape).open();
    const pipeline = new Pipeline(
      buffer,
      undefined,
      { flushMs: 20, checkpointMs: 1, onProgress: () => undefined },
      () => undefined,
    );
    const random = seeded(5);
    const put = (name: string, n: number, valueBytes: number, shrinks: boolean): string => {
      const key = keyBytesOf(name);
      const clock = [{ actor: ACTOR, n, values: [value('x'.repeat(valueBytes))] }];
      const spread = { hash: Math.imul(Number(name.slice(4)) + 1, 0x9e3779b1), partition: 3, bucket: 1 };
      const { words } = encodeRecord(spread, key, 0, clock);
      const room = pipeline.room(words[1]!, shrinks);
      if (room === 'ready') pipeline.append(words, 0, paddedWords(key));
      return room;
    };
    for (let i = 0, n = 1; i < 11_000; n++) {
      pipeline.begin(n);
      for (let j = 0; j < 50; j++) if (put(`key-${i}`, 1, 8, false) === 'ready') i++;
      if (n > 5_000) break;
      pipeline.end(n);
    }
    let waited = 0;
    for (let n = 2; n < (LONG ? 3_000 : 1_000); n++) {
      pipeline.begin(n);
      const room = put(`big-${20_000 + random(5)}`, n, 90_000 + random(60_000), true);
      for (let j = 0; j < 10; j++) put(`key-${random(11_000)}`, n, 8, false);
      pipeline.end(n);
      waited = room === 'wait' ? waited + 1 : 0;
      if (waited > 100) expect.fail(`turn ${n}: waits for ever`);
    }
  });
});

describe('eviction with an engine behind', () => {
  it('takes only clean segments, the oldest first, and leaves the index without a place in them', () => {
    const { open } = shared(SHAPE);
    const buffer = open();
    buffer.startAt(0, 1, 0);
    const cleaner = new Cleaner(buffer, false);
    const fill = (head: number, from: number): number => {
      buffer.seal(head);
      const segment = buffer.open(head);
      for (let i = from; ; i++) {
        const { words, key, bytes } = version(`k${i}`, 1, 200);
        if (!buffer.hasRoom(head, bytes)) return segment;
        buffer.append(head, words, 0, key);
      }
    };
    const logs = [0, 100, 200, 300].map((from) => fill(LOG_SEGMENT, from));
    fill(CACHE_SEGMENT, 400);
    [600, 700, 800].forEach((from) => fill(LOG_SEGMENT, from));
    buffer.confirm(logs[0]!);
    for (let i = 0; i < 20; i++) {
      cleaner.step();
      buffer.reclaim();
    }
    expect(buffer.segmentsIn(SEG_CLEAN)).toHaveLength(1);
    expect(buffer.segmentsIn(SEG_LOG)).toHaveLength(6);
    expect(buffer.segmentsIn(SEG_LOG)).not.toContain(logs[0]);
    buffer.index.visit(0, Number.POSITIVE_INFINITY, (byte) => {
      expect(buffer.layout.segmentOf(byte)).not.toBe(logs[0]);
    });
    const at = buffer.find(hashOf('k100'), 1, version('k100', 1).key, 4);
    expect(buffer.layout.segmentOf(at)).toBe(logs[1]);
  });

  it('keeps what a cache reads into the segment that is being evicted', () => {
    const buffer = shared({
      bytes: 10 * 131_072,
      segmentBytes: 131_072,
      segments: 10,
      maxTableBits: 11,
    }).open();
    buffer.startAt(0, 1, 0);
    const kept = new Set<number>();
    buffer.watcher = {
      linked: (before, at) => {
        if (kept.delete(before) || keyLengthAt(buffer.words, at) === LONG_KEY.length) kept.add(at);
      },
      unlinked: (at) => kept.delete(at),
      keeps: (at) => kept.has(at),
      get keepsAny() {
        return kept.size > 0;
      },
      keptIn: () => 0,
    };
    const cleaner = new Cleaner(buffer, false);
    // Nothing but the open segment of the cache is clean, and there are more records in it than one turn evicts.
    for (let i = 0; i < 7; i++) {
      buffer.seal(LOG_SEGMENT);
      buffer.open(LOG_SEGMENT);
    }
    const cache = buffer.open(CACHE_SEGMENT);
    for (let i = 0; i < 1_100; i++) {
      const { words, key } = version(`k${i % 10}`, 1, 0);
      buffer.append(CACHE_SEGMENT, words, 0, key);
    }
    cleaner.step();
    expect(cleaner.busy).toBe(true);
    const { words, key, bytes } = version(LONG_KEY, 1, 0);
    if (!buffer.hasRoom(CACHE_SEGMENT, bytes)) {
      buffer.seal(CACHE_SEGMENT);
      buffer.open(CACHE_SEGMENT);
    }
    buffer.append(CACHE_SEGMENT, words, 0, key);
    while (cleaner.busy) cleaner.step();
    const found = buffer.find(hashOf(LONG_KEY), 1, key, LONG_KEY.length);
    expect(found).not.toBe(0);
    expect(buffer.layout.segmentOf(found)).not.toBe(cache);
    expect(buffer.state(buffer.layout.segmentOf(found))).toBe(SEG_CLEAN);
  });
});
