import { expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { mergeContributions } from '../../src/client/merge.js';
import { Repairs } from '../../src/client/repairs.js';
import { frameDeadline } from '../../src/messaging/frames.js';
import { KIND_PLAIN } from '../../src/storage/record.js';
import { value } from '../storage/support.js';

const LIVES = [{ actor: 1, n: 1, values: [value('v')] }];
const DELETED = [{ actor: 1, n: 2, values: [value('', { deleted: true })] }];

it('nobody who has nothing is sent a tombstone: it may be gone already', () => {
  const staleOf = (...clocks: readonly (typeof LIVES | undefined)[]): readonly number[] =>
    mergeContributions(
      clocks.map((clock, vnode) => ({ vnode, clock, kind: KIND_PLAIN })),
      0,
    ).stale;
  expect(staleOf(DELETED, undefined, DELETED)).toEqual([]);
  expect(staleOf(LIVES, undefined, LIVES)).toEqual([1]);
  expect(staleOf(DELETED, undefined, LIVES)).toEqual([2]);
});

it('what was read longer ago than frames live is not sent any more, and nothing that is sent outlives that', () => {
  let nowMs = 0;
  const actions: (() => void)[] = [];
  const sent: number[] = [];
  const words = new Int32Array(256);
  const outbox = {
    waitingBytes: 0,
    words,
    bytes: new Uint8Array(words.buffer),
    begin: () => 0,
    // The deadline of a frame, in its header.
    end: () => void sent.push(frameDeadline(words, 0)),
  };
  const repairs = new Repairs({
    frames: {
      endpoint: { to: () => outbox },
      rings: { current: { epoch: 1 } },
      caller: 0,
      router: {
        locateAgain: () => undefined,
        bytes: new Uint8Array(4),
        words: new Int32Array(1),
        keyBytes: 1,
      },
    },
    isServing: () => true,
    nowMs: () => nowMs,
    after: (_milliseconds: number, action: () => void) => void actions.push(action),
    flush: () => undefined,
  } as never);
  const repairAt = (atMs: number): number[] => {
    nowMs = 0;
    repairs.later({ source: 'k', hash: 1, partition: 1 }, { bucket: 1 } as never, LIVES, KIND_PLAIN, [0], 0);
    nowMs = atMs;
    actions.shift()!();
    return sent.splice(0);
  };
  expect(repairAt(20)).toEqual([1_020]);
  expect(repairAt(LIMITS.replicaFrameMs - 1)).toEqual([LIMITS.replicaFrameMs]);
  expect(repairAt(LIMITS.replicaFrameMs + 1)).toEqual([]);
});
