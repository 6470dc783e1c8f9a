import fc from '../../properties.js';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/base/limits.js';
import {
  addChildren,
  indexOfNode,
  levelOfNode,
  nodeOf,
  partitionOfNode,
  replicasOfNode,
} from '../../../src/shard/trees/nodes.js';
import { TreeSet } from '../../../src/shard/trees/tree-set.js';
import { depthFor } from '../../../src/shard/trees/tree.js';
import { KIND_COUNTER, sealHead } from '../../../src/storage/record.js';
import type { StoredValue } from '../../../src/storage/record-codec.js';
import { type Clock, equal } from '../../../src/versions/dvvs.js';
import { value } from '../../storage/support.js';
import { differences, digestOf, environment, hashOfNode, naive, recordOf, versionOf } from './support.js';

const clocks: fc.Arbitrary<Clock<StoredValue>> = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.nat(3), fc.nat(3)), {
    selector: ([actor]) => actor,
  })
  .map((entries) =>
    entries
      .toSorted(([a], [b]) => a - b)
      .map(([actor, n, live]) => ({
        actor,
        n,
        values: Array.from({ length: Math.min(n, live) }, () => value('v')),
      })),
  );

describe('the digest of a record', () => {
  it('is equal if and only if key, bucket, kind and clock are', () => {
    const records = fc.record({
      name: fc.constantFrom('a', 'b', 'ab', 'a\0'),
      bucket: fc.constantFrom(1, 2),
      kind: fc.constantFrom(0, KIND_COUNTER),
      clock: clocks,
    });
    fc.assert(
      fc.property(records, records, (a, b) => {
        const same =
          a.name === b.name && a.bucket === b.bucket && a.kind === b.kind && equal(a.clock, b.clock);
        const [left, right] = [a, b].map(({ name, bucket, kind, clock }) =>
          digestOf(recordOf(name, bucket, clock, kind).words),
        );
        expect(left === right).toBe(same);
      }),
      { numRuns: 5_000 },
    );
  });

  it('sees nothing of what differs between replicas: sequence, generation, values', () => {
    const one = versionOf('k', 1, 3, 10).words;
    const other = versionOf('k', 1, 3, 90).words;
    sealHead(one, 0, 17, 1, 3);
    sealHead(other, 0, 99_999, 5, 0);
    expect(digestOf(one)).toBe(digestOf(other));
  });

  it('takes a counter of zero for no entry (versions.md, trap 2)', () => {
    const entry = { actor: 1, n: 1, values: [value('v')] };
    const plain = recordOf('k', 1, [entry]).words;
    const zero = recordOf('k', 1, [entry, { actor: 2, n: 0, values: [] }]).words;
    expect(digestOf(zero)).toBe(digestOf(plain));
  });
});

describe('a node', () => {
  it('is one positive word that names replicas, partition, level and index', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: LIMITS.replicas }),
        fc.nat(LIMITS.partitions - 1),
        fc.nat(2),
        fc.nat(4_095),
        (n, partition, level, index) => {
          const node = nodeOf(n, partition, level, index);
          expect(node).toBeGreaterThan(0);
          expect([replicasOfNode(node), partitionOfNode(node), levelOfNode(node), indexOfNode(node)]).toEqual(
            [n, partition, level, index],
          );
        },
      ),
    );
  });

  it('has 64 children; its hash is the XOR of theirs', () => {
    const set = new TreeSet(environment(0));
    for (let i = 0; i < 2_000; i++) set.change(1, versionOf(`k${i}`, 2, 1).words, 0);
    for (let partition = 0; partition < 4; partition++) {
      for (const [level, width] of [1, 64].entries()) {
        for (let index = 0; index < width; index++) {
          const node = nodeOf(3, partition, level, index);
          const children: number[] = [];
          addChildren(node, children);
          expect(children).toHaveLength(64);
          const joined = children.reduce((xor, child) => xor ^ hashOfNode(set, child), 0n);
          expect(joined).toBe(hashOfNode(set, node));
        }
      }
    }
  });
});

describe('the trees of a virtual node', () => {
  it('hold exactly the newest records of the partitions that it owns for the n of their bucket', () => {
    const steps = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 4 }), clocks), { maxLength: 80 });
    fc.assert(
      fc.property(fc.nat(3), steps, (ordinal, writes) => {
        const env = environment(ordinal);
        const set = new TreeSet(env);
        const stored = new Map<string, Int32Array>();
        for (const [i, bucket, clock] of writes) {
          const { words } = recordOf(`k${i}`, bucket, clock);
          const before = stored.get(`${bucket}/${i}`);
          if (before !== undefined) set.change(-1, before, 0);
          set.change(1, words, 0);
          stored.set(`${bucket}/${i}`, words);
        }
        expect(differences(set, naive(env, stored.values()))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('two replicas that share a tree have equal roots for equal records, and only for shared partitions', () => {
    const [a, b] = [0, 1].map((ordinal) => new TreeSet(environment(ordinal)));
    for (let i = 0; i < 500; i++) {
      for (const set of [a!, b!]) set.change(1, versionOf(`k${i}`, 1 + (i % 2), 1 + (i % 5)).words, 0);
    }
    const shared = a!.sharedRoots(1);
    expect(shared).toEqual(b!.sharedRoots(0));
    expect(shared.length).toBeGreaterThan(2);
    for (const root of shared) expect(hashOfNode(a!, root)).toBe(hashOfNode(b!, root));
    expect(shared.some((root) => hashOfNode(a!, root) !== 0n)).toBe(true);
  });

  it('refuse to share a node that does not exist, or that one of the two does not own', () => {
    const env = environment(0);
    const set = new TreeSet(env);
    const { preference, preferenceLength } = env.ring;
    for (let partition = 0; partition < 4; partition++) {
      for (let peer = 1; peer < 4; peer++) {
        for (const n of [2, 3]) {
          const owners = Array.from(
            preference.subarray(partition * preferenceLength, partition * preferenceLength + n),
          );
          const both = owners.includes(0) && owners.includes(peer);
          expect(set.shares(peer, nodeOf(n, partition, 2, 4_095))).toBe(both);
          expect(set.shares(peer, nodeOf(n, partition, 1, 64))).toBe(false);
          expect(set.shares(peer, nodeOf(n, partition, 0, 1))).toBe(false);
          expect(set.shares(peer, nodeOf(n, partition, 3, 0))).toBe(false);
        }
      }
    }
    expect(set.shares(1, nodeOf(3, 4, 0, 0))).toBe(false);
    expect(set.shares(1, -1)).toBe(false);
    expect(set.shares(99, nodeOf(3, 0, 0, 0))).toBe(false);
  });

  it('have one level less with more than 256 partitions', () => {
    expect([1, 64, 256, 512, 4_096].map(depthFor)).toEqual([2, 2, 2, 1, 1]);
  });
});
