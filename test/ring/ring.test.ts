import fc from '../properties.js';
import { expect, test } from 'vitest';
import { place, placeAfterJoin } from '../../src/ring/placement.js';
import { buildRing, partitionOf, ringOf } from '../../src/ring/ring.js';
import { sha1Into } from '../../src/ring/sha1.js';
import { anySpec, counts, spec } from './support.js';

test('a preference list names each node exactly once and starts with the partition’s owner (§4.3)', () => {
  fc.assert(
    fc.property(anySpec, (wanted) => {
      const ring = buildRing(wanted);
      expect(ring.preference.length).toBe(ring.partitions * ring.preferenceLength);
      for (let p = 0; p < ring.partitions; p++) {
        const row = ring.preference.slice(p * ring.preferenceLength, (p + 1) * ring.preferenceLength);
        expect(row[0]).toBe(ring.owner[p]);
        expect(new Set(Array.from(row, (vnode) => ring.vnodes[vnode]!.node)).size).toBe(wanted.nodes.length);
      }
    }),
    { numRuns: 100 },
  );
});

test('a preference list is the clockwise walk: the first virtual node met on each node', () => {
  fc.assert(
    fc.property(anySpec, fc.nat(), (wanted, pick) => {
      const ring = buildRing(wanted);
      const from = pick % ring.partitions;
      const walk = new Map<string, number>();
      for (let step = 0; step < ring.partitions; step++) {
        const vnode = ring.vnodes[ring.owner[(from + step) % ring.partitions]!]!;
        if (!walk.has(vnode.node)) walk.set(vnode.node, vnode.ordinal);
      }
      const row = Array.from(ring.preference.slice(from * ring.preferenceLength)).slice(0, walk.size);
      expect(row).toEqual([...walk.values()]);
    }),
    { numRuns: 200 },
  );
});

test('the first N owners of all partitions together give every node the same load (4 nodes, N=3)', () => {
  const ring = buildRing(spec(64, [1, 1, 1, 1]));
  const owners = Array.from(ring.preference).filter((_, i) => i % ring.preferenceLength < 3);
  expect(counts(owners, 4)).toEqual([48, 48, 48, 48]);
});

test('virtual nodes are named by node and number, and counted through', () => {
  const ring = buildRing(spec(64, [1, 1], 2, 2));
  expect(ring.vnodes).toEqual([
    { ordinal: 0, id: 'n1.0', node: 'n1', nodeIndex: 0 },
    { ordinal: 1, id: 'n1.1', node: 'n1', nodeIndex: 0 },
    { ordinal: 2, id: 'n2.0', node: 'n2', nodeIndex: 1 },
    { ordinal: 3, id: 'n2.1', node: 'n2', nodeIndex: 1 },
  ]);
});

test('the partition of a key is the top bits of its digest, signed or unsigned', () => {
  const ring = buildRing(spec(64, [1, 1, 1]));
  expect(partitionOf(ring, 0)).toBe(0);
  expect(partitionOf(ring, 0xffff_ffff)).toBe(63);
  expect(partitionOf(ring, -1)).toBe(63);
  expect(partitionOf(ring, 0x8000_0000)).toBe(32);
  expect(partitionOf(ring, 0x03ff_ffff)).toBe(0);
  expect(partitionOf(ring, 0x0400_0000)).toBe(1);
});

test('with one partition every key is in it; with 4,096 the top twelve bits count', () => {
  const one = buildRing(spec(1, [1, 1, 1]));
  expect(partitionOf(one, -1)).toBe(0);
  expect(partitionOf(one, 0x7fff_ffff)).toBe(0);
  expect(partitionOf(buildRing(spec(4_096, [1, 1, 1])), 0xabcd_ef01)).toBe(0xabc);
});

test('real keys spread evenly over the partitions (64 partitions, 64,000 keys)', () => {
  const ring = buildRing(spec(64, [1, 1, 1, 1]));
  const digest = new Int32Array(5);
  const hits = counts([], 64);
  for (let i = 0; i < 64_000; i++) {
    const key = new TextEncoder().encode(`key:${i}`);
    sha1Into(key, key.length, digest);
    hits[partitionOf(ring, digest[0]!)]! += 1;
  }
  expect(Math.min(...hits)).toBeGreaterThan(850);
  expect(Math.max(...hits)).toBeLessThan(1_150);
});

test('the epoch is the same for the same ring and another one after any change', () => {
  const base = spec(64, [1, 1, 1, 1]);
  const rings = [
    buildRing(base),
    buildRing({ ...base, partitions: 128 }),
    buildRing(spec(64, [1, 1, 1, 2])),
    buildRing(spec(64, [1, 1, 1, 1], 3, 2)),
    buildRing({ ...base, nodes: base.nodes.map((node) => ({ ...node, id: `${node.id}x` })) }),
    // The same five nodes, dealt at once and after a join: only the owners differ.
    buildRing(spec(64, [1, 1, 1, 1, 1])),
    ringOf(placeAfterJoin(place(base), { id: 'n5', capacity: 1, vnodes: 1 })),
  ];
  const epochs = rings.map((ring) => ring.epoch);
  expect(new Set(epochs).size).toBe(rings.length);
  expect(epochs.every((epoch) => epoch > 0 && epoch >>> 0 === epoch)).toBe(true);
  expect(buildRing(structuredClone(base)).epoch).toBe(epochs[0]);
});
