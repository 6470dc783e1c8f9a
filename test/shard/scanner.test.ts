import { expect, it } from 'vitest';
import { SCAN_RECORDS_AT } from '../../src/messaging/frames.js';
import { Scanner } from '../../src/shard/scanner.js';
import { Journal } from '../../src/storage/journal.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { keyBytesAt, lengthAt, sealHead } from '../../src/storage/record.js';
import { FakeDisk, FakeEngine, Later } from '../storage/fakes.js';
import { hashOf, keyBytesOf, shared, version } from '../storage/support.js';

/** The keys of a reply, and whether they are the last. */
type Page = { readonly keys: readonly string[]; readonly done: boolean };

/** A virtual node that has these keys in its engine and nothing in its buffer. */
function world(names: readonly string[]): {
  pipeline: Pipeline;
  page: (after: string, limit: number) => Page;
} {
  const later = new Later();
  const buffer = shared().open();
  buffer.startAt(0, 1, 0);
  const engine = new FakeEngine(later);
  const journal = new Journal(buffer, new FakeDisk(later), () => undefined);
  const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
  const pipeline = new Pipeline(buffer, { journal, engine }, options, () => undefined);
  for (const name of names) {
    const { words } = version(name, 1);
    sealHead(words, 0, 1, 1, 0);
    engine.put(3, 1, keyBytesOf(name), new Uint8Array(words.buffer));
  }
  engine.commit({ generation: 1, confirmedSerial: 0 }, () => undefined);
  pipeline.room(100);
  later.runAll();

  const words = new Int32Array(16_384);
  const outbox = { words, begin: () => 0, end: () => undefined };
  const env = { ring: { epoch: 1 }, endpoint: { to: () => outbox } };
  const scanner = new Scanner(env as never, pipeline, engine);
  const page = (after: string, limit: number): Page => {
    const place = { partition: 3, bucket: 1, after: keyBytesOf(after) };
    scanner.begin({ from: 0, id: 1, ...place, limit, maxBytes: 4_096, deadlineMs: 1_000, every: false });
    const keys: string[] = [];
    for (let at = SCAN_RECORDS_AT; keys.length < words[7]!; at += lengthAt(words, at) >>> 2)
      keys.push(Buffer.from(keyBytesAt(words, new Uint8Array(words.buffer), at)).toString());
    return { keys, done: words[8] === 1 };
  };
  return { pipeline, page };
}

it('a page of an engine goes on behind keys that have just gone, however many: an empty one would end the scan', () => {
  const names = Array.from({ length: 30 }, (_, i) => `key-${String(i).padStart(2, '0')}`);
  const { pipeline, page } = world(names);
  for (const name of names.slice(0, 25)) {
    const place = { hash: hashOf(name), partition: 3, bucket: 1 };
    expect(pipeline.remove(place, version(name, 1).key, keyBytesOf(name))).toBe('ready');
  }
  expect(page('', 10)).toEqual({ keys: names.slice(25), done: false });
  expect(page(names[29]!, 10)).toEqual({ keys: [], done: true });
  expect(page(names[2]!, 4)).toEqual({ keys: names.slice(25, 27), done: false });
});
