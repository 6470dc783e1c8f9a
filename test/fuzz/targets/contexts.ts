import assert from 'node:assert/strict';
import { contextFromString, decodeContext, encodeContext } from '../../../src/versions/context.js';
import { refusable, type Target } from '../target.js';

/** Contexts come back from clients: each is refused, or has the only form of what it says. */
export function contextsTarget(): Target {
  const clocks = [
    [],
    [{ actor: 257, n: 3, values: [] }],
    [
      { actor: 1, n: 1, values: [] },
      { actor: 0xffff_ffff, n: 0xffff_ffff, values: [] },
    ],
  ];
  return {
    name: 'contexts',
    seeds: clocks.map((clock) => encodeContext(clock)),
    check(input) {
      for (const bytes of [input, forged(input)]) {
        const clock = refusable(() => decodeContext(bytes), 'BAD_CONTEXT');
        if (clock !== undefined) assert.deepEqual(Buffer.from(encodeContext(clock)), Buffer.from(bytes));
      }
      const text = input.toString('latin1');
      const bytes = refusable(() => contextFromString(text), 'BAD_CONTEXT');
      if (bytes !== undefined) assert.equal(Buffer.from(bytes).toString('base64url'), text);
    },
  };
}

/** The same with a true checksum (FNV-1a), which damage would hardly ever have. */
function forged(input: Buffer): Uint8Array {
  const body = input.subarray(5);
  let hash = Math.imul(0x811c_9dc5 ^ 1, 0x0100_0193);
  for (const byte of body) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return Uint8Array.from([1, hash, hash >>> 8, hash >>> 16, hash >>> 24, ...body]);
}
