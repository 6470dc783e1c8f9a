import fc from '../properties.js';
import { expect, test } from 'vitest';
import { SlotMap } from '../../src/base/slot-map.js';

test('it is a Map of whole numbers, whatever comes and goes', () => {
  // Few keys, so that searches cross each other; some far apart, so that it grows and goes round its end.
  const key = fc.oneof(fc.nat(40), fc.nat(400), fc.integer({ min: 2 ** 31, max: 2 ** 31 + 40 }));
  const step = fc.record({ key, remove: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
      const model = new Map<number, number>();
      const map = new SlotMap<number>();
      for (const [value, { key: at, remove }] of steps.entries()) {
        if (remove) expect(map.delete(at)).toBe(model.delete(at));
        else {
          map.set(at, value);
          model.set(at, value);
        }
        expect(map.get(at)).toBe(model.get(at));
      }
      expect(map.size).toBe(model.size);
      expect(map.entries()).toEqual([...model].sort(([a], [b]) => a - b));
      for (const [at, value] of model) expect(map.get(at)).toBe(value);
    }),
    { numRuns: 60 },
  );
});
