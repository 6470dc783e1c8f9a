import assert from 'node:assert/strict';
import { frameIntact } from '../../../src/messaging/frames.js';
import { reach } from '../../messaging/frame-reach.js';
import { FRAME_SAMPLES, frameOf } from '../../messaging/frame-samples.js';
import type { Target } from '../target.js';

/** Frames between threads: whatever is found intact is read within its own bounds. */
export function framesTarget(): Target {
  return {
    name: 'frames',
    seeds: FRAME_SAMPLES.map((sample) => Buffer.from(frameOf(sample).buffer)),
    check(input) {
      const words = new Int32Array(input.length >>> 2);
      new Uint8Array(words.buffer).set(input.subarray(0, words.byteLength));
      if (!frameIntact(words, 0)) return;
      assert.ok(words[0]! >= 32 && words[0]! / 4 <= words.length);
      assert.ok(reach(words, 0) <= BigInt(words[0]! / 4));
    },
  };
}
