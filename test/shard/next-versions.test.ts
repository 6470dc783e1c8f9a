import { expect, it } from 'vitest';
import { resultOf } from '../../src/client/merge.js';
import { OP_INCREMENT } from '../../src/messaging/frames.js';
import { nextVersions, type Versions } from '../../src/shard/next-versions.js';
import type { PutRequest } from '../../src/shard/put-request.js';
import type { StoredValue } from '../../src/storage/record-codec.js';
import { KIND_COUNTER, KIND_PLAIN } from '../../src/storage/record.js';

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
