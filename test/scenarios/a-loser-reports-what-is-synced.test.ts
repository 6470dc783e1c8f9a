import { expect, it } from 'vitest';
import { allocateShared, SharedLayout } from '../../src/messaging/layout.js';
import type { RingFact } from '../../src/ring/state.js';
import { buildRing } from '../../src/ring/ring.js';
import { Completions } from '../../src/shard/completions.js';
import { OldCopies, type OldCopiesParts } from '../../src/shard/old-copies.js';
import { BufferLayout } from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { Reclaimer } from '../../src/storage/readers.js';
import { BUFFER } from '../shard/cluster.js';

/**
 * Found by the simulator (a power cut at the end of a ring change): who had lost partitions said that its
 * old copies were gone before that was synced. The power cut brought them back, what was said was durable,
 * and the copies stayed at somebody who owned them no more.
 */
it('old copies count as removed when that is synced, not before', () => {
  const shared = allocateShared({
    vnodes: 2,
    callers: 1,
    claimsPerCaller: 4_096,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const reclaimer = new Reclaimer(new Int32Array(shared.control), new SharedLayout(shared.shape));
  const layout = new BufferLayout(BUFFER);
  const buffer = new ObjectBuffer(new SharedArrayBuffer(layout.totalBytes), layout, reclaimer);
  const completions = new Completions();
  const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
  const pipeline = new Pipeline(buffer, undefined, options, (token) => completions.reached(token));
  completions.pipeline = pipeline;
  const nodes = ['a', 'b'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
  const ring = buildRing({ nodes, partitions: 4, spacing: 2 });
  const cleaning = {
    since: 7,
    leaver: undefined,
    slots: [0],
    before: ring.preference,
    beforeLength: ring.preferenceLength,
  };
  let reach: (() => void) | undefined;
  completions.awaitLevel = (_sequence, _level, action) => {
    reach = action;
    return true;
  };
  const reported: RingFact[] = [];
  const copies = new OldCopies({
    env: { ordinal: 0, ring: { ...ring, cleaning }, replicasOf: () => 1 },
    source: { announced: () => true, report: (facts: readonly RingFact[]) => reported.push(...facts) },
    pipeline,
    engine: undefined,
    completions,
    hints: { count: 0, speakOf: () => false },
    loader: { done: true },
  } as unknown as OldCopiesParts);

  for (let nowMs = 0; nowMs < 100; nowMs += 5) copies.poll(nowMs);
  expect(reach).toBeDefined();
  expect(reported).toEqual([]);
  reach!();
  copies.poll(100);
  expect(reported).toEqual([{ kind: 'cleaned', slot: 0 }]);
});
