import fc from '../properties.js';
import { describe, expect, it } from 'vitest';
import { buildRing } from '../../src/ring/ring.js';
import { planCopies } from '../../src/shard/copy-plan.js';

const nodes = Array.from({ length: 6 }, (_, i) => ({ id: `n${i}`, capacity: 1, vnodes: 1 }));
const ring = buildRing({ nodes, partitions: 16, spacing: 3 });

describe('who takes the copies of a put (6 nodes)', () => {
  it('each absent owner has one holder that is reached or the coordinator; holders are distinct, in order, and no owners', () => {
    fc.assert(
      fc.property(
        fc.nat(15),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(5),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        fc.boolean(),
        (partition, n, ordinal, up, ownersOnly) => {
          const list = [...ring.preference.subarray(partition * 6, partition * 6 + 6)];
          const guest = !list.slice(0, n).includes(ordinal);
          const reaches = (vnode: number): boolean => up[vnode]!;
          const plan = planCopies({ ordinal, ring }, { partition, n, ownersOnly }, guest, reaches);
          const others = list.slice(0, n).filter((vnode) => vnode !== ordinal);
          expect(plan.owners).toEqual(others.filter(reaches));
          const absent = others.filter((vnode) => !reaches(vnode));
          // A guest's own copy is known to a hint, or nobody would ever let it go: also if all owners are back.
          const owed = guest && absent.length === 0 ? others.slice(0, 1) : absent;
          expect(plan.hinted.map(({ owner }) => owner)).toEqual(owed);
          const holders = plan.hinted.map(({ holder }) => holder).filter((vnode) => vnode !== ordinal);
          const fallbacks = list.slice(n).filter((vnode) => vnode !== ordinal && reaches(vnode));
          const wanted = ownersOnly ? 0 : plan.hinted.length - (guest ? 1 : 0);
          expect(holders).toEqual(fallbacks.slice(0, Math.max(0, wanted)));
          if (guest) expect(plan.hinted[0]!.holder).toBe(ordinal);
          for (const used of holders) expect(list.indexOf(used)).toBeLessThan(plan.next);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
