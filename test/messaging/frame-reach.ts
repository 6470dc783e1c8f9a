import assert from 'node:assert/strict';
import * as F from '../../src/messaging/frames.js';

/** What a handler reads of a frame that was found intact: how far each part goes, in words, computed with big numbers. */
export function reach(frame: Int32Array, at: number): bigint {
  const word = (i: number): bigint => BigInt(frame[at + i]!);
  const padded = (bytes: bigint): bigint => (bytes + 3n) / 4n;
  const half = (i: number): bigint => word(i) & 0xffffn;
  const upper = (i: number): bigint => (word(i) >> 16n) & 0xffffn;
  switch (F.frameType(frame, at)) {
    case F.PUT:
      assert.ok(word(12) >= 0n && word(13) >= 0n && half(9) > 0n);
      return 16n + upper(9) * 2n + padded(half(9)) + padded(word(12)) + padded(word(13));
    case F.PUT_REPLY:
      assert.ok(word(9) >= 0n);
      return 12n + 2n * word(9);
    case F.GET:
    case F.SCAN:
      return 10n + padded(half(9));
    case F.GET_REPLY:
    case F.REPLICATE: {
      const none = F.frameType(frame, at) === F.GET_REPLY && frame[at + 6] !== F.OK;
      if (!none) assert.ok(word(9) >= 8n);
      return none ? 8n : 8n + padded(word(9));
    }
    case F.TREE_COMPARE:
      assert.ok(word(6) >= 0n && word(6) <= 1_024n);
      return 8n + 3n * word(6);
    case F.TREE_DIFFER:
      assert.ok(word(7) >= 0n && word(7) <= 1_024n);
      return 8n + (word(7) + 31n) / 32n;
    case F.TREE_LIST:
    case F.TREE_FETCH:
      assert.ok(word(6) >= 0n && word(6) <= 1_024n);
      return 8n + word(6);
    case F.TREE_KEYS:
      assert.ok(word(7) >= 0n && word(7) <= 1_024n);
      return 10n + 3n * word(7);
    case F.TREE_RECORDS:
    case F.TREE_PUSH:
    case F.SCAN_REPLY: {
      let end = 10n;
      for (let i = 0n; i < word(7); i++) {
        const bytes = word(Number(end) + 1);
        assert.ok(bytes >= 8n);
        end += padded(bytes);
      }
      return end;
    }
    case F.GOSSIP: {
      let end = 8n;
      for (let i = 0n; i < word(7); i++) {
        const idBytes = word(Number(end)) & 0xffn;
        assert.ok(idBytes >= 1n && idBytes <= 32n);
        end += 3n + padded(idBytes);
      }
      return end;
    }
    default:
      return 8n;
  }
}
