import { describe, expect, it } from 'vitest';
import { MIN_TABLE_BITS, type BufferShape } from '../../src/storage/buffer-layout.js';
import { Journal } from '../../src/storage/journal.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { sealHead } from '../../src/storage/record.js';
import { FakeDisk, FakeEngine, Later } from './fakes.js';
import { hashOf, keyBytesOf, shared, version } from './support.js';

const SHAPE: BufferShape = { bytes: 8 * 262_144, segmentBytes: 262_144, segments: 8, maxTableBits: 15 };

describe('copies of what the engine has', () => {
  it('a turn that reads more keys than the index has room for keeps what fits and lends the rest', () => {
    const later = new Later();
    const buffer = shared(SHAPE).open();
    buffer.startAt(0, 1, 0);
    const engine = new FakeEngine(later);
    const backing = { journal: new Journal(buffer, new FakeDisk(later), () => undefined), engine };
    const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
    const pipeline = new Pipeline(buffer, backing, options, () => undefined);
    const slots = 1 << MIN_TABLE_BITS;
    const names = Array.from({ length: 2 * slots }, (_, i) => `key-${i}`);
    for (const name of names) {
      const { words } = version(name, 1);
      sealHead(words, 0, 1, 1, 0);
      engine.put(3, 1, keyBytesOf(name), new Uint8Array(words.buffer));
    }
    engine.commit({ generation: 1, confirmedSerial: 0 }, () => undefined);
    later.runAll();

    const read = (name: string): number =>
      pipeline.read(hashOf(name), 3, 1, version(name, 1).key, keyBytesOf(name));
    pipeline.begin(1);
    const kept = names.slice(0, slots).filter((name) => read(name) > 0).length;
    // A look-up ends at a slot that was never used: a table without one would be searched for ever.
    expect(kept).toBeGreaterThan(slots / 2);
    expect(kept).toBeLessThan(slots);
    expect(read(names[slots]!)).toBe(0);

    for (let turn = 1; turn < 4; turn++) {
      pipeline.end(turn);
      pipeline.begin(turn + 1);
    }
    expect(read(names[slots]!)).toBeGreaterThan(0);
  });
});
