import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlacesByPartition } from '../../src/storage/places.js';

test('places come partition by partition, in order within each, and can be used again', () => {
  const places = new PlacesByPartition();
  const entry = fc.tuple(fc.nat(5), fc.nat(1_000));
  fc.assert(
    fc.property(fc.array(entry), fc.nat(10), (entries, taken) => {
      places.clear();
      for (const [partition, place] of entries) places.add(partition, place);
      const expected = entries
        .map(([partition, place], i) => ({ partition, place, i }))
        .sort((a, b) => a.partition - b.partition || a.i - b.i)
        .map(({ place }) => place);
      const got: number[] = [];
      while (got.length < taken || taken > 8) {
        expect(places.empty).toBe(got.length === expected.length);
        const place = places.next();
        if (place < 0) break;
        got.push(place);
      }
      expect(got).toEqual(expected.slice(0, got.length));
      if (taken > 8) expect(got.length).toBe(expected.length);
    }),
  );
});
