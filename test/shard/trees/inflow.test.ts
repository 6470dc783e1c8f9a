import fc from '../../properties.js';
import { describe, expect, it } from 'vitest';
import { OK, OUT_FULL, OUT_TOO_LARGE } from '../../../src/messaging/frames.js';
import type { ApplyOutcome, Replica } from '../../../src/shard/replica.js';
import { Inflow } from '../../../src/shard/trees/inflow.js';
import { TreeSet } from '../../../src/shard/trees/tree-set.js';
import { lengthAt, W_KEY_HASH } from '../../../src/storage/record.js';
import { environment, versionOf } from './support.js';

const APPLIED = { at: 1, sequence: 1, total: 0 };

/** Records of one page that virtual node 0 owns, and a replica that answers as it is told. */
function setUp(answers: (() => ApplyOutcome)[]): {
  inflow: Inflow;
  page: Int32Array;
  hashes: number[];
  merged: number[];
} {
  const env = { ...environment(0, 3), ruleOf: () => 0 };
  const records = Array.from({ length: 5 }, (_, i) => versionOf(`k${i}`, 2, 1).words);
  const merged: number[] = [];
  const replica = {
    apply(words: Int32Array, _bytes: Uint8Array, at: number): ApplyOutcome {
      const outcome = answers.shift()?.() ?? APPLIED;
      if (outcome === APPLIED) merged.push(words[at + W_KEY_HASH]!);
      return outcome;
    },
  } as unknown as Replica;
  const page = Int32Array.from(records.flatMap((words) => Array.from(words)));
  const hashes = records.map((words) => words[W_KEY_HASH]!);
  return { inflow: new Inflow(env, replica, new TreeSet(env)), page, hashes, merged };
}

describe('records that a peer sent', () => {
  it('are all merged, each once and in order, however often there is no room', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (waits) => {
        const { inflow, page, hashes, merged } = setUp(waits.map((wait) => () => (wait ? 'wait' : APPLIED)));
        const done: number[] = [];
        inflow.take(page, new Uint8Array(page.buffer), 0, 5, 1_000, (outcome) => done.push(outcome));
        // The frame is valid during the call only.
        page.fill(-1);
        for (let i = 0; i < 40; i++) inflow.poll(i);
        expect(merged).toEqual(hashes);
        expect(done).toEqual([OK]);
        expect(inflow.busy).toBe(false);
      }),
    );
  });

  it('are given up past the deadline of their exchange, and at a refusal', () => {
    const late = setUp(Array.from({ length: 50 }, () => () => 'wait' as const));
    const ends: number[] = [];
    late.inflow.take(late.page, new Uint8Array(late.page.buffer), 0, 5, 10, (outcome) => ends.push(outcome));
    for (let i = 0; i < 20; i++) late.inflow.poll(i);
    expect([ends, late.merged, late.inflow.busy]).toEqual([[OUT_FULL], [], false]);

    const full = setUp([() => APPLIED, () => ({ outcome: OUT_FULL, got: 0, need: 0 })]);
    full.inflow.take(full.page, new Uint8Array(full.page.buffer), 0, 5, 10, (outcome) => ends.push(outcome));
    expect([ends, full.merged.length]).toEqual([[OUT_FULL, OUT_FULL], 1]);
  });

  it('that are too large together with what is here are left out, and it is said that some were', () => {
    const tooLarge = (): ApplyOutcome => ({ outcome: OUT_TOO_LARGE, got: 9, need: 8 });
    const { inflow, page, hashes, merged } = setUp([() => APPLIED, tooLarge, () => 'wait']);
    const done: number[] = [];
    inflow.take(page, new Uint8Array(page.buffer), 0, 5, 1_000, (outcome) => done.push(outcome));
    expect(done).toEqual([]);
    inflow.poll(1);
    expect(merged).toEqual([hashes[0], ...hashes.slice(2)]);
    expect(done).toEqual([OUT_TOO_LARGE]);
  });

  it('that are malformed, or belong to nobody here, are left out', () => {
    const { inflow, page, hashes, merged } = setUp([]);
    const second = lengthAt(page, 0) >>> 2;
    page[second + 9] = -1;
    const third = second + (lengthAt(page, second) >>> 2);
    page[third + 8] = 9;
    const done: number[] = [];
    inflow.take(page, new Uint8Array(page.buffer), 0, 5, 1_000, (outcome) => done.push(outcome));
    expect(merged).toEqual([hashes[0], hashes[3], hashes[4]]);
    expect(done).toEqual([OK]);
  });
});
