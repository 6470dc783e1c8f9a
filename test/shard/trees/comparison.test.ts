import fc from '../../properties.js';
import { expect, it } from 'vitest';
import { Comparison } from '../../../src/shard/trees/comparison.js';
import { numberOf } from '../../../src/shard/trees/digest.js';
import type { Listing } from '../../../src/shard/trees/listing.js';

function listed(digests: readonly number[]): Listing {
  const part = {
    length: digests.length,
    lowAt: (i: number) => digests[i]!,
    highAt: (i: number) => ~digests[i]!,
  };
  return part as unknown as Listing;
}

it('two lists of digests have alone what is in one of them only, whatever their order; a step looks at a few', () => {
  const digests = fc.uniqueArray(fc.nat(2_000), { maxLength: 900 });
  fc.assert(
    fc.property(digests, digests, (ours, theirs) => {
      const comparison = new Comparison();
      for (const digest of theirs) comparison.add(numberOf(digest, ~digest));
      expect(comparison.length).toBe(theirs.length);
      let steps = 1;
      while (comparison.step(listed(ours))) steps++;
      expect(steps).toBe(Math.max(1, Math.ceil(ours.length / 256)));
      expect(comparison.surplus.map((i) => ours[i])).toEqual(ours.filter((one) => !theirs.includes(one)));
      expect(comparison.wanted().map((i) => theirs[i])).toEqual(theirs.filter((one) => !ours.includes(one)));
      for (const digest of [...theirs, 2_001])
        expect(comparison.has(numberOf(digest, ~digest))).toBe(digest !== 2_001);
    }),
    { numRuns: 200 },
  );
});
