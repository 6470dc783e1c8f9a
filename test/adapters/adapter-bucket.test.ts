import { expect, test } from 'vitest';
import { clear, remove, valueOf } from '../../src/adapters/adapter-bucket.js';
import type { Bucket, GetResult, Sibling } from '../../src/client/api.js';

/** A bucket of which a get says what it is told to, and that notes what is deleted. */
function bucketThat(found: Partial<GetResult>): { bucket: Bucket; deleted: string[] } {
  const deleted: string[] = [];
  const bucket = {
    get: async () => ({ found: false, siblings: [], degraded: false, ...found }),
    delete: async (key: Uint8Array | string) => deleted.push(Buffer.from(key).toString()),
    async *scan() {
      for (let i = 0; i < 600; i++) yield { key: Buffer.from(String(i)) };
    },
  };
  return { bucket: bucket as unknown as Bucket, deleted };
}

test('what is not there is not deleted, unless owners are missing that may have it', async () => {
  const there = bucketThat({ found: true });
  expect([await remove(there.bucket, 'k'), there.deleted]).toEqual([true, ['k']]);
  const absent = bucketThat({});
  expect([await remove(absent.bucket, 'k'), absent.deleted]).toEqual([false, []]);
  // A session that somebody leaves must not come back with its owner.
  const unsure = bucketThat({ degraded: true });
  expect([await remove(unsure.bucket, 'k'), unsure.deleted]).toEqual([false, ['k']]);
});

test('a clear of more keys than it deletes at a time deletes each once', async () => {
  const { bucket, deleted } = bucketThat({});
  await clear(bucket, '');
  expect(new Set(deleted).size).toBe(600);
  expect(deleted).toHaveLength(600);
});

test('text comes back as a string, anything else as bytes', () => {
  const sibling = (contentType: string): { siblings: Sibling[] } => ({
    siblings: [{ value: new Uint8Array(Buffer.from('ä')), contentType, modifiedAtMs: 0 }],
  });
  expect(valueOf({ siblings: [] })).toBeUndefined();
  expect(valueOf(sibling('text/plain;charset=utf-8'))).toBe('ä');
  expect(valueOf(sibling(''))).toEqual(Buffer.from('ä'));
});
