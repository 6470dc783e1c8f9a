import fc from '../properties.js';
import { expect, test } from 'vitest';
import { dealApart, place } from '../../src/ring/placement.js';
import { anySpec, counts, crowdedWindows, nodeOfVnode, nodeOwners, spec } from './support.js';

/** The largest spacing up to N that arithmetic permits: S floors of Q/spacing must cover Q. */
function possibleSpacing(partitions: number, nodes: number, wanted: number): number {
  let spacing = Math.min(wanted, nodes, partitions);
  while (nodes * Math.floor(partitions / spacing) < partitions) spacing -= 1;
  return spacing;
}

test('any N consecutive partitions lie on distinct nodes whenever that is possible', () => {
  fc.assert(
    fc.property(anySpec, (ring) => {
      const spacing = possibleSpacing(ring.partitions, ring.nodes.length, ring.spacing);
      expect(crowdedWindows(nodeOwners(place(ring)), spacing)).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('the spacing is the largest that the shares permit, beyond N', () => {
  for (const [partitions, nodes, largest] of [
    [64, 4, 4],
    [64, 5, 4],
    [64, 7, 6],
    [256, 30, 28],
  ] as const) {
    const owners = nodeOwners(
      place(
        spec(
          partitions,
          Array.from({ length: nodes }, () => 1),
        ),
      ),
    );
    expect(crowdedWindows(owners, largest)).toBe(0);
    expect(crowdedWindows(owners, largest + 1)).toBeGreaterThan(0);
  }
});

test('three nodes cannot keep three apart over 64 partitions: two crowded windows, the fewest', () => {
  expect(crowdedWindows(nodeOwners(place(spec(64, [1, 1, 1]))), 3)).toBe(2);
});

test('for small rings of three nodes no even order has fewer crowded windows (exhaustive)', () => {
  for (const partitions of [4, 8]) {
    let fewest = Infinity;
    for (let code = 0; code < 3 ** partitions; code++) {
      const owners = Array.from({ length: partitions }, (_, i) => Math.floor(code / 3 ** i) % 3);
      const owned = counts(owners, 3);
      if (Math.max(...owned) - Math.min(...owned) > 1) continue;
      fewest = Math.min(fewest, crowdedWindows(owners, 3));
    }
    expect(crowdedWindows(nodeOwners(place(spec(partitions, [1, 1, 1]))), 3)).toBe(fewest);
  }
});

test('dealing apart reaches floor(partitions / largest share) for any shares', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 20 }), (shares) => {
      fc.pre(Math.max(...shares) > 0);
      const owner = dealApart(shares);
      expect(counts(owner, shares.length)).toEqual(shares);
      expect(crowdedWindows(Array.from(owner), Math.floor(owner.length / Math.max(...shares)))).toBe(0);
    }),
    { numRuns: 500 },
  );
});

test('a node owns its capacity’s share, rounded, unless the spacing caps it', () => {
  fc.assert(
    fc.property(anySpec, (ring) => {
      const owned = counts(nodeOwners(place(ring)), ring.nodes.length);
      const spacing = possibleSpacing(ring.partitions, ring.nodes.length, ring.spacing);
      const cap = Math.floor(ring.partitions / spacing);
      const capacity = ring.nodes.reduce((sum, node) => sum + node.capacity, 0);
      const ideals = ring.nodes.map((node) => (ring.partitions * node.capacity) / capacity);
      const capped = ideals.some((ideal) => ideal > cap);
      owned.forEach((share, i) => {
        expect(share).toBeLessThanOrEqual(cap);
        if (!capped) expect(Math.abs(share - ideals[i]!)).toBeLessThan(1);
        // What a capped node cannot take makes the others larger, never smaller.
        else expect(share).toBeGreaterThan(Math.min(ideals[i]!, cap) - 1);
      });
    }),
    { numRuns: 300 },
  );
});

test('a node of capacity 2 owns twice the partitions of one of capacity 1', () => {
  expect(counts(nodeOwners(place(spec(64, [2, 1, 1, 1, 1, 1, 1]))), 7)).toEqual([16, 8, 8, 8, 8, 8, 8]);
});

test('the cap holds a large node down to floor(Q/N) and the others share the rest', () => {
  expect(counts(nodeOwners(place(spec(64, [16, 1, 1, 1]))), 4)).toEqual([21, 15, 14, 14]);
});

test('the virtual nodes of a node share its partitions evenly', () => {
  fc.assert(
    fc.property(anySpec, (ring) => {
      const nodeOf = nodeOfVnode(ring);
      const owned = counts(place(ring).owner, nodeOf.length);
      ring.nodes.forEach((_, node) => {
        const own = owned.filter((_, vnode) => nodeOf[vnode] === node);
        expect(Math.max(...own) - Math.min(...own)).toBeLessThanOrEqual(1);
      });
    }),
  );
});

test('the same spec gives the same placement', () => {
  fc.assert(
    fc.property(anySpec, (ring) => {
      expect(place(structuredClone(ring))).toEqual(place(ring));
    }),
  );
});

test('bad input is refused with numbers', () => {
  const good = spec(64, [1, 1, 1]);
  const [first] = good.nodes;
  const nodes = [...good.nodes];
  for (const [bad, details] of [
    [{ ...good, partitions: 48 }, { partitions: 48 }],
    [
      { ...good, partitions: 8_192 },
      { got: 8_192, least: 1, most: 4_096 },
    ],
    [{ ...good, partitions: 0 }, { got: 0 }],
    [{ ...good, partitions: 1.5 }, { got: 1.5 }],
    [
      { ...good, spacing: 9 },
      { got: 9, most: 8 },
    ],
    [{ ...good, nodes: [] }, { got: 0 }],
    [{ ...good, nodes: [...nodes, first!] }, { id: 'n1' }],
    [{ ...good, nodes: [{ ...first!, id: '' }] }, { id: '' }],
    [
      { ...good, nodes: [{ ...first!, capacity: 17 }] },
      { got: 17, most: 16 },
    ],
    [{ ...good, nodes: [{ ...first!, capacity: Number.NaN }] }, { got: Number.NaN }],
    [{ ...good, nodes: [{ ...first!, vnodes: 0 }] }, { got: 0 }],
    [
      { ...good, nodes: nodes.map((node) => ({ ...node, vnodes: 22 })) },
      { got: 66, most: 64 },
    ],
  ] as const) {
    expect(() => place(bad)).toThrowError(
      expect.objectContaining({ code: 'BAD_REQUEST', details: expect.objectContaining(details) }),
    );
  }
});
