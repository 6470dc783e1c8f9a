import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RingletError } from '../../../src/base/errors.js';
import type { Store } from '../../../src/client/api.js';
import { ConnectedBucket } from '../../../src/client/bucket.js';
import { Gate } from '../../../src/server/resp/gate.js';
import { Keyspace } from '../../../src/server/resp/keyspace.js';
import { LastWrites } from '../../../src/server/resp/last-writes.js';

test('a deletion that fails while FLUSHDB still looks for keys is its failure, and no rejection of nobody', async () => {
  async function* scan(): AsyncGenerator<{ key: Uint8Array }> {
    yield { key: Buffer.from('a') };
    // A page that takes its time: meanwhile the first deletion has failed.
    await nextTurn();
    await nextTurn();
    yield { key: Buffer.from('b') };
  }
  const failed = new RingletError('TIMEOUT', 'no answer', {}, { maybeApplied: true });
  const bucket = Object.assign(Object.create(ConnectedBucket.prototype) as ConnectedBucket, {
    name: 'redis-0',
    quick: {},
    scan,
    delete: () => Promise.reject(failed),
  });
  const store = {
    buckets: () => Promise.resolve([{ name: 'redis-0' }]),
    bucket: () => bucket,
  } as unknown as Store;
  const alone: unknown[] = [];
  const listener = (reason: unknown): void => void alone.push(reason);
  process.on('unhandledRejection', listener);
  try {
    await expect(new Keyspace(store, 0, new Gate(4)).clear(128, new LastWrites())).rejects.toBe(failed);
    await nextTurn();
  } finally {
    process.off('unhandledRejection', listener);
  }
  expect(alone).toEqual([]);
});
