import type { Bucket } from '../../client/api.js';
import { decodeCursor, encodeCursor } from '../../client/scan-cursor.js';
import type { Glob } from './glob.js';
import type { RespServer } from './server.js';

const NO_BYTES = new Uint8Array(0);

/** One SCAN: up to `count` keys are looked at, and the cursor says where the next one goes on. */
export async function scanPage(
  { store, cursors }: RespServer,
  bucket: Bucket,
  number: number,
  glob: Glob | undefined,
  count: number,
): Promise<{ cursor: string; keys: readonly Uint8Array[] }> {
  const { partitions } = store.ring();
  const place = cursors.placeOf(bucket.name, number);
  if (place.partition >= partitions) return { cursor: '0', keys: [] };
  const cursor = place.cursor ?? encodeCursor(bucket.name, { partition: place.partition, after: NO_BYTES });
  // Whoever has forgotten the place returns the whole partition, so that two of them cannot send a client to and fro.
  const whole = number !== 0 && place.cursor === undefined;
  const keys: Uint8Array[] = [];
  const prefix = glob?.prefix ?? NO_BYTES;
  let looked = 0;
  for await (const item of bucket.scan({ prefix, cursor, ...(whole ? {} : { limit: count }) })) {
    const { partition } = decodeCursor(item.cursor, bucket.name, partitions);
    if (glob === undefined || glob.matches(item.key)) keys.push(item.key);
    if (++looked < count || (whole && partition === place.partition)) continue;
    return { cursor: cursors.remember(bucket.name, partition, item.cursor), keys };
  }
  return { cursor: '0', keys };
}

/** A key from somewhere: the first ones of a partition taken by chance, or of the next that has any. */
export async function someKey(bucket: Bucket, partitions: number): Promise<Uint8Array | undefined> {
  const start = Math.floor(Math.random() * partitions);
  for (const partition of start === 0 ? [0] : [start, 0]) {
    const keys: Uint8Array[] = [];
    for await (const { key } of bucket.scan({
      cursor: encodeCursor(bucket.name, { partition, after: NO_BYTES }),
      limit: 16,
    })) {
      keys.push(key);
    }
    if (keys.length > 0) return keys[Math.floor(Math.random() * keys.length)];
  }
  return undefined;
}
