import { expect, it } from 'vitest';
import { Scratch } from '../../src/base/memory.js';

it('memory that was used once for something long is not kept: a thread would hold a multiple of the longest value', () => {
  const scratch = new Scratch();
  const first = scratch.of(1_000);
  expect(scratch.of(60_000)).toBe(first);
  const long = scratch.of((64 << 20) + 3);
  expect(long.bytes.length).toBe((64 << 20) + 8);
  expect(scratch.of(1_000)).toBe(first);

  const grown = scratch.of(100_001);
  expect(grown.bytes.length).toBe(200_008);
  expect(scratch.of(1_000)).toBe(grown);
  const most = scratch.of(4 << 20);
  expect(most.bytes.length).toBe(4 << 20);
  expect(scratch.of(3 << 20)).toBe(most);
  expect(scratch.of((4 << 20) + 1)).not.toBe(most);
});
