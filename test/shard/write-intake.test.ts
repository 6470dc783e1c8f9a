import { expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { OUT_OVERLOADED, PUT, PUT_FIXED_WORDS, writeHeader } from '../../src/messaging/frames.js';
import { bytesOf } from '../../src/shard/conditional-puts.js';
import { WriteIntake } from '../../src/shard/write-intake.js';

function putOf(id: number, valueBytes: number): Int32Array {
  const bytes = Math.ceil((PUT_FIXED_WORDS * 4 + 4 + valueBytes) / 8) * 8;
  const words = new Int32Array(bytes / 4);
  words[0] = bytes;
  writeHeader(words, 0, PUT, 0, id, 1, 5_000);
  words[9] = 1;
  words[12] = valueBytes;
  return words;
}

it('puts wait behind a long one that has found no room, up to the limit of what waits beside it', () => {
  const refused: [number, number][] = [];
  const executed: number[] = [];
  let room = false;
  const puts = {
    obstacle: () => undefined,
    refuse: (_to: number, id: number, { outcome }: { outcome: number }) => refused.push([id, outcome]),
    execute: (_from: number, _request: unknown, id: number) => {
      if (room) executed.push(id);
      return room ? 'done' : 'wait';
    },
  };
  const env = { claims: { claim: () => true }, count: () => undefined };
  const writes = new WriteIntake({ env, puts } as never);
  const accept = (words: Int32Array): void => writes.accept(9, words, bytesOf(words), 0, 5_000);

  accept(putOf(1, LIMITS.outboxBytes * 2));
  for (let id = 2; id < 10; id++) accept(putOf(id, LIMITS.outboxBytes / 8 - 100));
  expect(refused).toEqual([]);
  accept(putOf(10, LIMITS.outboxBytes / 8));
  expect(refused).toEqual([[10, OUT_OVERLOADED]]);
  writes.retry(100);
  expect(executed).toEqual([]);
  room = true;
  writes.retry(100);
  expect(executed).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(writes.waiting).toBe(false);
});
