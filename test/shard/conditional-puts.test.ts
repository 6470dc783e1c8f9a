import { expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { IF_ABSENT, OUT_OVERLOADED, PUT, PUT_FIXED_WORDS, writeHeader } from '../../src/messaging/frames.js';
import { bytesOf, ConditionalPuts } from '../../src/shard/conditional-puts.js';
import { readPut } from '../../src/shard/put-request.js';

const DEADLINE_MS = 5_000;

/** A conditional put at the first of three owners, which must ask a second one. */
function putOf(valueBytes: number): Int32Array {
  const bytes = Math.ceil((PUT_FIXED_WORDS * 4 + 4 + valueBytes) / 8) * 8;
  const words = new Int32Array(bytes / 4);
  words[0] = bytes;
  writeHeader(words, 0, PUT, 0, 1, 1, DEADLINE_MS);
  words[9] = 1;
  words[10] = (2 << 16) | (3 << 24);
  words[11] = (IF_ABSENT << 8) | (2 << 16);
  words[12] = valueBytes;
  return words;
}

it('conditional puts that wait for owners are bounded by their bytes too, and one alone may be as long as it likes', () => {
  const refused: number[] = [];
  const puts = {
    servingOwners: () => 3,
    owner: () => 0,
    listOf: () => [0, 1, 2],
    refuse: (_to: number, request: number) => refused.push(request),
  };
  const outbox = { words: new Int32Array(1_024), begin: () => 0, end: () => undefined };
  const env = {
    ordinal: 0,
    clock: { nowMs: () => 0 },
    ring: { epoch: 1 },
    endpoint: { to: () => outbox },
    isServing: () => true,
    isWhole: () => true,
    hasHintsFor: () => false,
  };
  const conditional = new ConditionalPuts(env as never, puts as never, 1, () => false);
  const begin = (words: Int32Array): number | undefined => {
    const begun = conditional.begin(9, words, 0, readPut(words, bytesOf(words), 0), DEADLINE_MS);
    return typeof begun === 'object' ? begun.outcome : undefined;
  };

  const large = putOf(LIMITS.conditionalBytes / 8);
  let begun = 0;
  while (begun < 20 && begin(large) === undefined) begun++;
  expect(begun).toBe(7);
  expect(begin(large)).toBe(OUT_OVERLOADED);
  expect(begin(putOf(100))).toBeUndefined();

  conditional.answered(1, 1, true);
  expect(begin(large)).toBeUndefined();
  expect(begin(large)).toBe(OUT_OVERLOADED);

  conditional.sweep(DEADLINE_MS);
  expect(refused).toHaveLength(8);
  expect(begin(putOf(LIMITS.conditionalBytes * 2))).toBeUndefined();
  expect(begin(putOf(100))).toBe(OUT_OVERLOADED);
});
