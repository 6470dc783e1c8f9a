import type { StoredValue } from '../storage/record-codec.js';
import { CONTENT_TYPES } from '../storage/record.js';
import type { PutRequest } from './put-request.js';

const NOTHING = new Uint8Array(0);

/** What a value carries of its time to expire: nothing if it has none. */
export function expiryOf({ expiresAtMs }: PutRequest): { expiresAtMs?: number } {
  return expiresAtMs > 0 ? { expiresAtMs } : {};
}

/** What is left of a value that was deleted or whose time is over. */
export function tombstoneOf({ time }: StoredValue): StoredValue {
  return { bytes: NOTHING, contentType: CONTENT_TYPES[0], time, deleted: true };
}

/** A counter's subtotal. */
export function textValue(text: string, time: number): StoredValue {
  return {
    bytes: Buffer.from(text, 'latin1'),
    contentType: 'text/plain;charset=utf-8',
    time,
    deleted: false,
  };
}
