import { expect, it } from 'vitest';
import type { RingFact } from '../../src/ring/state.js';
import { OldCopies, type OldCopiesParts } from '../../src/shard/old-copies.js';
import { Admission } from '../../src/storage/admission.js';
import { DURABLE } from '../../src/storage/pipeline.js';

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
