import type { StoredValue } from '../storage/record-codec.js';
import { CONTENT_TYPES } from '../storage/record.js';
import type { PutRequest } from './put-request.js';

const NOTHING = new Uint8Array(0);

/** When the value of a request expires; undefined: never. */
export function expiryOf({ expiresAtMs }: PutRequest): number | undefined {
  return expiresAtMs > 0 ? expiresAtMs : undefined;
}

/** What is left of a value that was deleted or whose time is over. */
export function tombstoneOf({ time }: StoredValue): StoredValue {
  return { bytes: NOTHING, contentType: CONTENT_TYPES[0], time, deleted: true, expiresAtMs: undefined };
}

/** A counter's subtotal. */
export function textValue(text: string, time: number): StoredValue {
  return {
    bytes: Buffer.from(text, 'latin1'),
    contentType: 'text/plain;charset=utf-8',
    time,
    deleted: false,
    expiresAtMs: undefined,
  };
}
