import { describe, expect, it } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { BufferLayout, bufferShape, type BufferShape } from '../../src/storage/buffer-layout.js';

const GIB = 2 ** 30;

function tryShape(bytes: number, valueBytes: number): BufferShape | RingletError {
  try {
    return bufferShape(bytes, valueBytes);
  } catch (error) {
    if (error instanceof RingletError) return error;
    throw error;
  }
}

describe('the shape of an object buffer', () => {
  it('is refused, with what to do, where the largest record does not fit or a byte of it has no 32-bit number', () => {
    for (const bytes of [1 << 20, 4 * GIB, 8 * GIB, 1_024 * GIB]) {
      const refused = tryShape(bytes, 1 << 20);
      expect(refused, `${bytes} bytes`).toMatchObject({
        code: 'BAD_REQUEST',
        details: { bufferBytes: bytes },
      });
      expect((refused as Error).message).toContain('virtual node');
    }
  });

  it('every word and every cell of it has a number of its own, from the least that is taken to the most', () => {
    let most = 0;
    for (let mebibytes = 14; mebibytes <= 5 * 1_024; mebibytes += 67) {
      const shape = tryShape(mebibytes * 1_048_576, 1 << 20);
      if (shape instanceof RingletError) continue;
      most = mebibytes;
      const layout = new BufferLayout(shape);
      const last = layout.segmentByte(shape.segments - 1) + shape.segmentBytes - 8;
      expect(last >>> 2, `${mebibytes} MiB`).toBe(last / 4);
      expect(layout.cells, `${mebibytes} MiB`).toBe(shape.bytes / 64);
      expect(layout.readByte(last / 4), `${mebibytes} MiB`).toBe(layout.totalBytes - 1);
      // Node 20 has no longer views.
      expect(layout.totalBytes, `${mebibytes} MiB`).toBeLessThanOrEqual(4 * GIB);
    }
    expect(most).toBeGreaterThan(2.8 * 1_024);
  });
});
