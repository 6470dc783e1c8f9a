import { expect, it } from 'vitest';
import { buildRing } from '../../src/ring/ring.js';
import type { RingFact } from '../../src/ring/state.js';
import { OldCopies, type OldCopiesParts } from '../../src/shard/old-copies.js';
import { Admission } from '../../src/storage/admission.js';
import { DURABLE } from '../../src/storage/pipeline.js';
import { record, value } from '../storage/support.js';

it('that copies have gone is reported once their removal is synced, and again until it is known', () => {
  const reports: RingFact[] = [];
  const waits: { sequence: number; level: number; done: () => void }[] = [];
  // The leaver: nothing to walk, and its hints are handed over.
  const ring = {
    cleaning: { since: 7, slots: [0], leaver: 'n1', before: new Int32Array(0), beforeLength: 0 },
    vnodes: [{ node: 'n1' }],
  };
  const parts = {
    env: { ring, ordinal: 0 },
    source: { announced: () => true, report: (facts: RingFact[]) => reports.push(...facts) },
    pipeline: { buffer: { lastSequence: 41 }, admission: new Admission(() => 0) },
    engine: undefined,
    completions: {
      awaitLevel: (sequence: number, level: number, done: () => void) =>
        waits.push({ sequence, level, done }),
    },
    hints: { count: 0 },
    loader: { done: true },
  } as unknown as OldCopiesParts;
  const copies = new OldCopies(parts);
  copies.poll(0);
  copies.poll(50);
  expect([waits.map(({ sequence, level }) => [sequence, level]), reports]).toEqual([[[41, DURABLE]], []]);
  waits[0]!.done();
  copies.poll(100);
  copies.poll(101);
  expect(reports).toEqual([{ kind: 'cleaned', slot: 0 }]);
  copies.poll(1_200);
  expect(reports).toHaveLength(2);
});

it('a copy stays that a hint has come to speak of while it waited to go', () => {
  const nodes = ['n1', 'n2', 'n3'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
  const ring = buildRing({ nodes, partitions: 16, spacing: 3 });
  // Whoever is last in the list owns the partition of the records (3) no more, and was the first owner before.
  const ordinal = ring.preference[3 * 3 + 2]!;
  const before = Int32Array.from({ length: 16 * 3 }, (_, i) => (ordinal + i) % 3);
  const cleaning = { since: 7, slots: [ordinal], leaver: undefined, before, beforeLength: 3 };
  const records = ['a', 'b'].map((name) => record(name, [{ actor: 1, n: 1, values: [value(name)] }]).words);
  const words = Int32Array.from([0, 0, ...records.flatMap((one) => [...one])]);
  const places = [2, 2 + records[0]!.length];
  const hinted = new Set<string>();
  const removed: string[] = [];
  let room = 'wait';
  const nameOf = (key: Uint8Array): string => Buffer.from(key).toString();
  const copies = new OldCopies({
    env: { ring: { ...ring, cleaning }, ordinal, replicasOf: () => 2 },
    source: { announced: () => true, report: () => undefined },
    pipeline: {
      buffer: {
        lastSequence: 9,
        words,
        index: {
          tableNumber: 1,
          visit: (from: number, _count: number, visit: (byte: number) => void) => {
            if (from === 0) for (const at of places) visit(at * 4);
            return true;
          },
        },
      },
      admission: new Admission(() => 0),
      remove: (_place: unknown, _words: unknown, key: Uint8Array) => {
        if (room === 'ready') removed.push(nameOf(key));
        return room;
      },
    },
    engine: undefined,
    completions: { awaitLevel: () => false },
    hints: { count: 0, speakOf: ({ key }: { key: Uint8Array }) => hinted.has(nameOf(key)) },
    loader: { done: true },
  } as unknown as OldCopiesParts);
  copies.poll(0);
  expect(removed).toEqual([]);
  hinted.add('b');
  room = 'ready';
  for (let i = 1; i < 10; i++) copies.poll(i);
  expect(removed).toEqual(['a']);
});

it('nothing goes, and nothing is reported, before everybody has heard of the new ring', () => {
  const reports: RingFact[] = [];
  const asked: number[] = [];
  let announced = false;
  const ring = {
    cleaning: { since: 7, slots: [0], leaver: 'n1', before: new Int32Array(0), beforeLength: 0 },
    vnodes: [{ node: 'n1' }],
  };
  const copies = new OldCopies({
    env: { ring, ordinal: 0 },
    source: {
      announced: (revision: number) => (asked.push(revision), announced),
      report: (facts: RingFact[]) => reports.push(...facts),
    },
    pipeline: { buffer: { lastSequence: 41 }, admission: new Admission(() => 0) },
    engine: undefined,
    completions: { awaitLevel: () => false },
    hints: { count: 0 },
    loader: { done: true },
  } as unknown as OldCopiesParts);
  for (let nowMs = 0; nowMs < 5_000; nowMs += 100) copies.poll(nowMs);
  expect([new Set(asked), reports]).toEqual([new Set([7]), []]);
  announced = true;
  copies.poll(5_000);
  copies.poll(5_001);
  expect(reports).toEqual([{ kind: 'cleaned', slot: 0 }]);
});
