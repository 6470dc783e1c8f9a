import fc from '../properties.js';
import type { Placement } from '../../src/ring/placement.js';
import type { RingSpec } from '../../src/ring/spec.js';

/** mulberry32: a seeded uniform source in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function nodeOfVnode(spec: RingSpec): number[] {
  return spec.nodes.flatMap((node, i) => Array.from({ length: node.vnodes }, () => i));
}

export function nodeOwners({ spec, owner }: Placement): number[] {
  const nodeOf = nodeOfVnode(spec);
  return Array.from(owner, (vnode) => nodeOf[vnode]!);
}

/** Windows of `spacing` consecutive partitions, cyclically, that meet some owner twice. */
export function crowdedWindows(owners: readonly number[], spacing: number): number {
  return owners.filter((_, p) => {
    const window = Array.from({ length: spacing }, (_, k) => owners[(p + k) % owners.length]!);
    return new Set(window).size < spacing;
  }).length;
}

export function counts(owner: ArrayLike<number>, length: number): number[] {
  const owned = Array.from({ length }, () => 0);
  for (const i of Array.from(owner)) owned[i]! += 1;
  return owned;
}

/** Partitions whose virtual node, by name, is another one. */
export function movedPartitions(before: Placement, after: Placement): number {
  const names = ({ spec, owner }: Placement): string[] => {
    const ids = spec.nodes.flatMap((node) =>
      Array.from({ length: node.vnodes }, (_, i) => `${node.id}.${i}`),
    );
    return Array.from(owner, (vnode) => ids[vnode]!);
  };
  const then = names(before);
  return names(after).filter((name, p) => name !== then[p]).length;
}

export function spec(partitions: number, capacities: readonly number[], spacing = 3, vnodes = 1): RingSpec {
  const nodes = capacities.map((capacity, i) => ({ id: `n${i + 1}`, capacity, vnodes }));
  return { partitions, nodes, spacing };
}

export const anySpec: fc.Arbitrary<RingSpec> = fc
  .record({
    bits: fc.integer({ min: 0, max: 9 }),
    spacing: fc.integer({ min: 1, max: 8 }),
    nodes: fc.array(
      fc.record({ capacity: fc.integer({ min: 1, max: 16 }), vnodes: fc.integer({ min: 1, max: 4 }) }),
      { minLength: 1, maxLength: 16 },
    ),
  })
  .map(({ bits, spacing, nodes }) => ({
    partitions: 1 << bits,
    spacing,
    nodes: nodes.map((node, i) => ({ id: `n${i + 1}`, ...node })),
  }));
