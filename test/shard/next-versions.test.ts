import { expect, it } from 'vitest';
import { resultOf } from '../../src/client/merge.js';
import { OP_INCREMENT, OP_TOUCH, RULE_SIBLINGS } from '../../src/messaging/frames.js';
import { mergeClocks } from '../../src/shard/merge-clocks.js';
import { afterExpiry, nextVersions, type Versions } from '../../src/shard/next-versions.js';
import type { PutRequest } from '../../src/shard/put-request.js';
import { isOver, type StoredValue } from '../../src/storage/record-codec.js';
import { KIND_COUNTER, KIND_PLAIN } from '../../src/storage/record.js';
import { values } from '../../src/versions/dvvs.js';
import { value } from '../storage/support.js';

function increment(by: number, before: Versions, actor: number, nowMs: number): Versions & { total: number } {
  const request = { operation: OP_INCREMENT, by } as PutRequest;
  const next = nextVersions(request, before, { actor, floor: 0, time: () => 1, expiryMs: () => nowMs });
  if ('outcome' in next) throw new Error(`refused: ${next.outcome}`);
  return next;
}

it('a value that was over when a counter began does not come back into it with the time of day of before', () => {
  const over: StoredValue = {
    bytes: Buffer.from('no number'),
    contentType: 'text/plain;charset=utf-8',
    time: 1,
    deleted: false,
    expiresAtMs: 100,
  };
  const plain = { clock: [{ actor: 1, n: 1, values: [over] }], kind: KIND_PLAIN };
  const begun = increment(5, plain, 2, 200);
  expect(begun).toMatchObject({ kind: KIND_COUNTER, total: 5 });
  // After a restart, for one.
  const expiry = { isOver: (timeMs: number) => timeMs <= 50 };
  const { siblings } = resultOf(begun.clock, begun.kind!, false, expiry);
  expect(siblings.map(({ value }) => String(value))).toEqual(['5']);
  expect(increment(2, begun, 2, 50)).toMatchObject({ total: 7 });
  expect(increment(2, begun, 3, 50)).toMatchObject({ total: 7 });
});

it('a touch writes all live values again under dots of its own, in the order that they had', () => {
  const request = { operation: OP_TOUCH, expiresAtMs: 900 } as PutRequest;
  const clock = [
    { actor: 1, n: 5, values: [value('c'), value('b'), value('', { deleted: true })] },
    { actor: 2, n: 1, values: [value('a'), value('over', { expiresAtMs: 100 })] },
  ];
  const maker = { actor: 2, floor: 0, time: () => 1, expiryMs: () => 100 };
  const next = nextVersions(request, { clock, kind: KIND_PLAIN }, maker);
  if ('outcome' in next) throw new Error(`refused: ${next.outcome}`);
  expect(next.clock.map(({ actor, n, values: list }) => [actor, n, list.length])).toEqual([
    [1, 5, 0],
    [2, 4, 3],
  ]);
  const live = values(next.clock);
  expect(live.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(['c', 'b', 'a']);
  expect(new Set(live.map(({ expiresAtMs }) => expiresAtMs))).toEqual(new Set([900]));
});

it('a value is over at its time, not a millisecond before, and so is what is made of it', () => {
  const one = value('v', { expiresAtMs: 100 });
  expect([99, 100].map((nowMs) => isOver(one, nowMs))).toEqual([false, true]);
  const clock = [{ actor: 1, n: 1, values: [one] }];
  expect(values(afterExpiry(clock, 99))).toEqual([one]);
  expect(values(afterExpiry(clock, 100))).toMatchObject([{ deleted: true, time: one.time }]);
});

it.each([
  ['has superseded it', 5, KIND_COUNTER],
  ['counts under that very dot', 3, KIND_COUNTER],
  ['has not seen it', 2, KIND_PLAIN],
])('an ordinary value beside a counter that %s', (_case, seen, kind) => {
  const counter = [{ actor: 1, n: seen, values: [value('7')] }];
  const plain = [{ actor: 1, n: 3, values: [value('text')] }];
  for (const merged of [
    mergeClocks(counter, plain, KIND_COUNTER, KIND_PLAIN, RULE_SIBLINGS),
    mergeClocks(plain, counter, KIND_PLAIN, KIND_COUNTER, RULE_SIBLINGS),
  ])
    expect(merged.kind).toBe(kind);
});
