import { expect, it } from 'vitest';
import { OK } from '../../src/messaging/frames.js';
import type { Ring } from '../../src/ring/ring.js';
import { type Copy, copyFor, type CopySender, holderOf } from '../../src/shard/copy-sender.js';
import type { VnodeEnvironment } from '../../src/shard/environment.js';
import { type InProgress, NOBODY, PutProgress } from '../../src/shard/put-progress.js';
import type { PutReplies } from '../../src/shard/put-replies.js';
import type { Replica } from '../../src/shard/replica.js';

const ID = 7;
const ACTOR = 1;

function ringOf(preference: readonly number[]): Ring {
  const vnodes = Array.from({ length: 6 }, (_, ordinal) => ({ ordinal, nodeIndex: ordinal }));
  const ring = { vnodes, preference: Int32Array.from(preference), preferenceLength: preference.length };
  return ring as unknown as Ring;
}

/**
 * Found by the simulator (two owners away, and a node joins while a put waits): the joiner moves the
 * fallbacks of the preference list one place on, so that the one which had a copy for the first owner
 * was asked again for the second, and passed for two of W nodes.
 */
it('a fallback that has a copy is not asked for another one when a ring change moves it in the list', () => {
  const sent: number[] = [];
  const outcomes: number[] = [];
  const env = {
    ring: ringOf([0, 1, 2, 3, 4]),
    ordinal: 0,
    clock: { nowMs: () => 0 },
    isServing: () => true,
  };
  const progress = new PutProgress(
    env as unknown as VnodeEnvironment,
    { read: () => 0, wordsOf: () => new Int32Array(8) } as unknown as Replica,
    undefined as never,
    { actor: ACTOR, send: (copy: Copy) => sent.push(holderOf(copy)) } as unknown as CopySender,
    { send: (_to: number, _id: number, outcome: number) => outcomes.push(outcome) } as unknown as PutReplies,
    () => true,
    undefined as never,
  );
  // W = 3: the coordinator has its own copy, 3 keeps one for owner 1, and owner 2 is asked.
  const entry = {
    need: 3,
    needThere: 0,
    acks: 1,
    acksThere: 0,
    n: 3,
    partition: 0,
    words: new Int32Array(2),
    entries: 0,
    keyBytes: 4,
    open: [copyFor(1, 3), copyFor(2, 2)],
    next: 4,
    fallbacks: NOBODY,
    owed: [],
    beganMs: 0,
    deadlineMs: 5_000,
    replied: false,
  };
  progress.add(ID, entry as unknown as InProgress);
  progress.acknowledge(ID, 3, ACTOR, true);
  env.ring = ringOf([0, 1, 2, 5, 3, 4]);
  progress.acknowledge(ID, 2, ACTOR, false);
  expect(sent).toEqual([4]);
  progress.acknowledge(ID, 3, ACTOR, true);
  expect(outcomes).toEqual([]);
  progress.acknowledge(ID, 4, ACTOR, true);
  expect(outcomes).toEqual([OK]);
});
