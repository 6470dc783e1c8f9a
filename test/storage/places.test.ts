import fc from '../properties.js';
import { expect, test } from 'vitest';
import { PlacesByPartition } from '../../src/storage/places.js';

test('places come partition by partition, in order within each, and can be used again', () => {
  const places = new PlacesByPartition();
  const entry = fc.tuple(fc.nat(5), fc.nat(1_000));
  fc.assert(
    fc.property(fc.array(entry), fc.nat(100), (entries, taken) => {
      places.clear();
      for (const [partition, place] of entries) places.add(partition, place);
      const expected = entries
        .map(([partition, place], i) => ({ partition, place, i }))
        .sort((a, b) => a.partition - b.partition || a.i - b.i)
        .map(({ place }) => place);
      // Now and then it is cleared before it is empty.
      for (const place of expected.slice(0, taken)) {
        expect(places.empty).toBe(false);
        expect(places.next()).toBe(place);
      }
      if (taken < expected.length) return;
      expect(places.empty).toBe(true);
      expect(places.next()).toBe(-1);
    }),
  );
});
