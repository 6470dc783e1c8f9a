import { createHash } from 'node:crypto';
import type { EngineIdentity, EngineState } from './engine.js';

/**
 * The row in which an engine keeps whose data it is and its state, rewritten by every commit.
 * Little-endian:
 *
 *   bytes  0…3   "RLE1"
 *          4…5   format, 2
 *          6…7   length of the identity
 *          8…15  generation          (double)
 *         16…23  confirmed serial    (double)
 *         24…31  count               (double)
 *         32…35  root
 *         36…43  checksum: first 8 bytes of the SHA-256 of everything else, in order
 *         44…    identity: storeId, nodeId and vnodeId in UTF-8, separated by a zero byte
 *
 * A format that we do not know keeps the first six bytes; nothing behind them is looked at.
 */
export const ENGINE_FORMAT = 2;
const MAGIC = 0x31454c52;
const CHECK_AT = 36;
const IDENTITY_AT = 44;

/** Shorter than any record's key (4 bytes and more), so that no record can have it; sorts last. */
export const META_KEY: Uint8Array = Uint8Array.of(0xff, 0xff);

export type DecodedMeta =
  | { readonly kind: 'ok'; readonly identity: EngineIdentity; readonly state: EngineState }
  | { readonly kind: 'unknown-format'; readonly format: number }
  | { readonly kind: 'damaged' };

export const EMPTY_STATE: EngineState = { generation: 0, confirmedSerial: 0, count: 0, root: 0 };

export function encodeMeta(identity: EngineIdentity, state: EngineState): Uint8Array {
  const names = new TextEncoder().encode([identity.storeId, identity.nodeId, identity.vnodeId].join('\0'));
  const bytes = new Uint8Array(IDENTITY_AT + names.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, ENGINE_FORMAT, true);
  view.setUint16(6, names.length, true);
  view.setFloat64(8, state.generation, true);
  view.setFloat64(16, state.confirmedSerial, true);
  view.setFloat64(24, state.count, true);
  view.setUint32(32, state.root, true);
  bytes.set(names, IDENTITY_AT);
  bytes.set(checksum(bytes), CHECK_AT);
  return bytes;
}

export function decodeMeta(bytes: Uint8Array): DecodedMeta {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 6 || view.getUint32(0, true) !== MAGIC) return { kind: 'damaged' };
  const format = view.getUint16(4, true);
  if (format !== ENGINE_FORMAT) return { kind: 'unknown-format', format };
  if (bytes.length < IDENTITY_AT || bytes.length !== IDENTITY_AT + view.getUint16(6, true)) {
    return { kind: 'damaged' };
  }
  const expected = checksum(bytes);
  for (let i = 0; i < expected.length; i++) {
    if (bytes[CHECK_AT + i] !== expected[i]) return { kind: 'damaged' };
  }
  const names = new TextDecoder().decode(bytes.subarray(IDENTITY_AT)).split('\0');
  const [storeId, nodeId, vnodeId] = names;
  if (storeId === undefined || nodeId === undefined || vnodeId === undefined || names.length !== 3) {
    return { kind: 'damaged' };
  }
  const state = {
    generation: view.getFloat64(8, true),
    confirmedSerial: view.getFloat64(16, true),
    count: view.getFloat64(24, true),
    root: view.getUint32(32, true),
  };
  return { kind: 'ok', identity: { storeId, nodeId, vnodeId }, state };
}

function checksum(bytes: Uint8Array): Uint8Array {
  const hash = createHash('sha256');
  hash.update(bytes.subarray(0, CHECK_AT)).update(bytes.subarray(IDENTITY_AT));
  return hash.digest().subarray(0, IDENTITY_AT - CHECK_AT);
}
