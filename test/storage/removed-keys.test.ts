import { describe, expect, it } from 'vitest';
import { hashWords } from '../../src/base/hash.js';
import { paddedWords } from '../../src/base/memory.js';
import { bufferShape } from '../../src/storage/buffer-layout.js';
import { Journal } from '../../src/storage/journal.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { FakeDisk, FakeEngine, Later } from './fakes.js';
import { keyBytesOf, shared } from './support.js';

describe('keys that go, and nothing else', () => {
  it('their records are shorter than any other: segments leave before the index is full of them', () => {
    const later = new Later();
    // A power of two, as the default is: the index has a slot for each 64 bytes, such a record has 48.
    const buffer = shared(bufferShape(2 ** 22, 1_000)).open();
    buffer.startAt(0, 1, 0);
    const journal = new Journal(buffer, new FakeDisk(later), () => undefined);
    const options = { flushMs: 20, checkpointMs: 100, onProgress: () => undefined };
    const pipeline = new Pipeline(
      buffer,
      { journal, engine: new FakeEngine(later) },
      options,
      () => undefined,
    );
    const most = Math.floor(buffer.layout.shape.bytes / 24);
    let gone = 0;
    for (let turn = 0, waited = 0; gone < most && waited < 500; turn++) {
      pipeline.begin(turn * 10);
      let more = true;
      for (let left = 2_000; left > 0 && more; left--) {
        const key = keyBytesOf(gone.toString(36).padStart(4, '0'));
        const words = paddedWords(key);
        const place = { hash: hashWords(words, 0, words.length, 1), partition: 3, bucket: 1 };
        more = pipeline.remove(place, words, key) === 'ready';
        if (more) gone++;
      }
      waited = more ? 0 : waited + 1;
      pipeline.end(turn * 10);
      later.runAll();
    }
    expect(gone).toBeGreaterThanOrEqual(most);
  });
});
