import { expect, it } from 'vitest';
import { IF_ABSENT, OP_PUT, PUT, PUT_FIXED_WORDS, writeHeader } from '../../src/messaging/frames.js';
import { ConditionalPuts } from '../../src/shard/conditional-puts.js';
import type { VnodeEnvironment } from '../../src/shard/environment.js';
import type { PutCoordinator } from '../../src/shard/put-coordinator.js';
import { readPut } from '../../src/shard/put-request.js';

/**
 * Two copies of one owner's answer, as a transport that duplicates delivers them, passed for the
 * answers of two owners: a conditional put with R=3 was decided on two copies.
 */
it('a conditional put with R=3 waits for two other owners, however often one of them answers', () => {
  const outbox = {
    words: new Int32Array(64),
    bytes: new Uint8Array(256),
    waitingBytes: 0,
    begin: () => 0,
    end: () => undefined,
  };
  const env = {
    ordinal: 0,
    ring: { epoch: 1, preferenceLength: 5 },
    endpoint: { to: () => outbox },
    clock: { nowMs: () => 0, wallMs: () => 0 },
    isServing: () => true,
    hasHintsFor: () => false,
    isWhole: () => true,
  } as unknown as VnodeEnvironment;
  const puts = {
    owner: (_partition: number, i: number) => i,
    listOf: () => [0, 1, 2, 3, 4],
    servingOwners: () => 5,
  } as unknown as PutCoordinator;
  const conditional = new ConditionalPuts(env, puts, 7, () => false);
  const words = new Int32Array(PUT_FIXED_WORDS + 2);
  words[0] = words.byteLength;
  writeHeader(words, 0, PUT, 0, 1, 1, 1_000);
  words[9] = 3;
  words[10] = OP_PUT | (3 << 16) | (5 << 24);
  words[11] = (IF_ABSENT << 8) | (3 << 16);
  const request = readPut(words, new Uint8Array(words.buffer), 0);

  expect(conditional.begin(9, words, 0, request, 1_000)).toBeUndefined();
  expect(conditional.answered(1, 2, true)).toBeUndefined();
  expect(conditional.answered(1, 2, true)).toBeUndefined();
  expect(conditional.answered(1, 4, true)).toMatchObject({ from: 9 });
});
