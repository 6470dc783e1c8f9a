import { expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { paddedWords } from '../../src/base/memory.js';
import { OK, OUT_CORRUPT, OUT_READ_ONLY, SCAN_RECORDS_AT } from '../../src/messaging/frames.js';
import { hashOfKey } from '../../src/shard/key-name.js';
import { Scanner } from '../../src/shard/scanner.js';
import { Journal } from '../../src/storage/journal.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { encodeRecord } from '../../src/storage/record-codec.js';
import { keyBytesAt, KIND_PLAIN, lengthAt, sealHead } from '../../src/storage/record.js';
import { FakeDisk, FakeEngine, Later } from '../storage/fakes.js';
import { hashOf, keyBytesOf, shared, value, version } from '../storage/support.js';

/** The keys of a reply, and whether they are the last. */
type Page = { readonly keys: readonly string[]; readonly done: boolean; readonly outcome: number };

/** A virtual node that has these keys in its engine and nothing in its buffer. */
function world(
  names: readonly string[],
  damaged: readonly string[] = [],
): {
  pipeline: Pipeline;
  unreadable: string[];
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
    if (damaged.includes(name)) words[words.length - 1]! ^= 1;
    engine.put(3, 1, keyBytesOf(name), new Uint8Array(words.buffer));
  }
  engine.commit({ generation: 1, confirmedSerial: 0 }, () => undefined);
  pipeline.room(100);
  later.runAll();

  const words = new Int32Array(16_384);
  const outbox = { words, begin: () => 0, end: () => undefined };
  const env = { ring: { epoch: 1 }, endpoint: { to: () => outbox } };
  const unreadable: string[] = [];
  const scanner = new Scanner(env as never, pipeline, engine, (bucket, key) =>
    unreadable.push(`${bucket}/${Buffer.from(key).toString()}`),
  );
  const page = (after: string, limit: number): Page => {
    const place = { partition: 3, bucket: 1, after: keyBytesOf(after) };
    scanner.begin({ from: 0, id: 1, ...place, limit, maxBytes: 4_096, deadlineMs: 1_000, every: false });
    const keys: string[] = [];
    for (let at = SCAN_RECORDS_AT; keys.length < words[7]!; at += lengthAt(words, at) >>> 2)
      keys.push(Buffer.from(keyBytesAt(words, new Uint8Array(words.buffer), at)).toString());
    return { keys, done: words[8] === 1, outcome: words[6]! };
  };
  return { pipeline, page, unreadable };
}

it('a page of an engine goes on behind keys that have just gone, however many: an empty one would end the scan', () => {
  const names = Array.from({ length: 30 }, (_, i) => `key-${String(i).padStart(2, '0')}`);
  const { pipeline, page } = world(names);
  for (const name of names.slice(0, 25)) {
    const place = { hash: hashOf(name), partition: 3, bucket: 1 };
    expect(pipeline.remove(place, version(name, 1).key, keyBytesOf(name))).toBe('ready');
  }
  expect(page('', 10)).toEqual({ keys: names.slice(25), done: false, outcome: OK });
  expect(page(names[29]!, 10)).toEqual({ keys: [], done: true, outcome: OK });
  expect(page(names[2]!, 4)).toEqual({ keys: names.slice(25, 27), done: false, outcome: OK });
});

it('a damaged record of the engine is reported for repair; what the buffer has of its key is told instead', () => {
  const { pipeline, page, unreadable } = world(['a', 'b', 'c'], ['b']);
  expect(page('', 10)).toEqual({ keys: [], done: true, outcome: OUT_CORRUPT });
  expect(unreadable).toEqual(['1/b']);
  const key = keyBytesOf('b');
  const place = { hash: hashOfKey(key), partition: 3, bucket: 1 };
  const clock = [{ actor: 1, n: 2, values: [value('new')] }];
  expect(pipeline.room(200)).toBe('ready');
  pipeline.append(encodeRecord(place, key, KIND_PLAIN, clock).words, 0, paddedWords(key));
  expect(page('', 10)).toEqual({ keys: ['a', 'b', 'c'], done: true, outcome: OK });
  expect(unreadable).toEqual(['1/b', '1/b']);
});

it.each([
  ['an engine', true],
  ['the index', false],
])('no page of %s is made for who has not taken earlier ones, however many are asked for', (_, hasEngine) => {
  const later = new Later();
  const buffer = shared().open();
  buffer.startAt(0, 1, 0);
  const backing = hasEngine
    ? { engine: new FakeEngine(later), journal: new Journal(buffer, new FakeDisk(later), () => undefined) }
    : undefined;
  const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
  const pipeline = new Pipeline(buffer, backing, options, () => undefined);
  const answered: number[] = [];
  const words = new Int32Array(64);
  const outbox = {
    words,
    waitingBytes: 0,
    begin: () => 0,
    end: () => {
      answered.push(words[2]!);
      outbox.waitingBytes = LIMITS.outboxBytes + 1;
    },
  };
  const env = { ring: { epoch: 1 }, endpoint: { to: () => outbox } };
  const scanner = new Scanner(env as never, pipeline, backing?.engine, () => undefined);
  const place = { partition: 3, bucket: 1, after: new Uint8Array(0) };
  for (let id = 1; id <= 4; id++) {
    const deadlineMs = id === 3 ? 500 : 1_000;
    scanner.begin({ from: 0, id, ...place, limit: 10, maxBytes: 4_096, deadlineMs, every: false });
  }
  const turns = (nowMs: number): void => {
    for (let i = 0; i < 10; i++) scanner.step(nowMs);
  };
  turns(100);
  expect(answered).toEqual([1]);
  expect(scanner.nextMs(100)).toBe(101);
  outbox.waitingBytes = 0;
  turns(200);
  expect(answered).toEqual([1, 2]);
  turns(600);
  outbox.waitingBytes = 0;
  turns(600);
  expect(answered).toEqual([1, 2, 4]);
  expect(scanner.nextMs(600)).toBe(Number.POSITIVE_INFINITY);
});

it('a page that waits for an engine which has failed is refused, that of a backup is left to the next thread', () => {
  const answered: number[][] = [];
  const words = new Int32Array(64);
  const outbox = { words, begin: () => 0, end: () => answered.push([words[2]!, words[6]!]) };
  const env = { ring: { epoch: 1 }, endpoint: { to: () => outbox } };
  const pipeline = { engineFailed: false, admission: { nextMs: 0 } };
  const scanner = new Scanner(env as never, pipeline as never, new FakeEngine(new Later()), () => undefined);
  const request = { from: 0, partition: 3, bucket: 1, after: new Uint8Array(0), limit: 10, maxBytes: 4_096 };
  const pages = [1, 2, 3].map((id) => ({ ...request, id, deadlineMs: 1_000, every: id === 3 }));
  for (const page of pages) scanner.expect(page);
  scanner.step(0);
  expect(answered).toEqual([]);
  scanner.arrived(pages[0]!);
  expect(answered).toEqual([[1, OK]]);
  pipeline.engineFailed = true;
  scanner.step(10);
  scanner.step(20);
  expect(answered.slice(1)).toEqual([[2, OUT_READ_ONLY]]);
  expect(scanner['expected'].size).toBe(1);
  scanner.step(1_001);
  expect(scanner['expected'].size).toBe(0);
  expect(answered).toHaveLength(2);
});
