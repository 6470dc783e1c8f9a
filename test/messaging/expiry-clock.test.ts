import { expect, it } from 'vitest';
import { ExpiryClock } from '../../src/messaging/expiry-clock.js';
import { allocateShared } from '../../src/messaging/layout.js';

it('a time is over at its millisecond, for all threads, and stays so whatever becomes of the time of day', () => {
  const { control } = allocateShared({
    vnodes: 1,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  let wallMs = 1_000.9;
  const [one, other] = [0, 1].map(() => new ExpiryClock(control, () => wallMs)) as [ExpiryClock, ExpiryClock];
  expect([one.isOver(1_001), one.isOver(1_000)]).toEqual([false, true]);
  wallMs = 5;
  expect([other.nowMs(), other.isOver(1_000), other.isOver(1_001)]).toEqual([1_000, true, false]);
  wallMs = 2_000;
  // Nobody has found anything to be over since: a look alone binds nobody.
  expect([one.nowMs(), other.isOver(2_001)]).toEqual([2_000, false]);
  wallMs = 1_500;
  expect(one.nowMs()).toBe(1_500);
  other.raise(3_000);
  expect([one.nowMs(), one.isOver(3_000), one.isOver(3_001)]).toEqual([3_000, true, false]);
});
