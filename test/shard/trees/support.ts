import { mix } from '../../../src/base/hash.js';
import { paddedWords } from '../../../src/base/memory.js';
import { buildRing } from '../../../src/ring/ring.js';
import type { VnodeEnvironment } from '../../../src/shard/environment.js';
import { Digest } from '../../../src/shard/trees/digest.js';
import { nodeOf } from '../../../src/shard/trees/nodes.js';
import type { TreeSet } from '../../../src/shard/trees/tree-set.js';
import { encodeRecord, type StoredValue } from '../../../src/storage/record-codec.js';
import { bucketAt, KIND_PLAIN, lengthAt, partitionAt, W_KEY_HASH } from '../../../src/storage/record.js';
import type { Clock } from '../../../src/versions/dvvs.js';
import { keyBytesOf, value } from '../../storage/support.js';

export const PARTITIONS = 4;

/** Bucket 1 has n = 2, bucket 2 n = 3, bucket 3 n = 1; bucket 4 does not exist. */
export const REPLICAS = [0, 2, 3, 1, 0];

/** The part of an environment that trees look at. */
export function environment(ordinal: number, nodes = 4): VnodeEnvironment {
  const ring = buildRing({
    nodes: Array.from({ length: nodes }, (_, i) => ({ id: `n${i}`, capacity: 1, vnodes: 1 })),
    partitions: PARTITIONS,
    spacing: 3,
  });
  const part = {
    ordinal,
    ring,
    replicasOf: (bucket: number) => REPLICAS[bucket] ?? 0,
    count: () => undefined,
  };
  return part as unknown as VnodeEnvironment;
}

export function recordOf(
  name: string,
  bucket: number,
  clock: Clock<StoredValue>,
  kind = KIND_PLAIN,
): { words: Int32Array; key: Int32Array } {
  let hash = 7;
  for (const char of name) hash = mix(hash ^ char.charCodeAt(0));
  const key = keyBytesOf(name);
  const { words } = encodeRecord({ hash, partition: (hash >>> 3) % PARTITIONS, bucket }, key, kind, clock);
  return { words: words.slice(0, lengthAt(words, 0) >>> 2), key: paddedWords(key) };
}

/** Version n of a key: supersedes all before it. */
export function versionOf(name: string, bucket: number, n: number, bytes = 24): ReturnType<typeof recordOf> {
  return recordOf(name, bucket, [{ actor: 9, n, values: [value('x'.repeat(bytes))] }]);
}

export function digestOf(words: Int32Array): bigint {
  const digest = new Digest();
  digest.ofRecord(words, 0);
  return (BigInt(digest.high >>> 0) << 32n) | BigInt(digest.low >>> 0);
}

export function hashOfNode(set: TreeSet, node: number): bigint {
  return (BigInt(set.high(node) >>> 0) << 32n) | BigInt(set.low(node) >>> 0);
}

/** What every node of a virtual node's trees must be, from all records that it holds. */
export function naive(env: VnodeEnvironment, records: Iterable<Int32Array>): Map<number, bigint> {
  const { preference, preferenceLength } = env.ring;
  const hashes = new Map<number, bigint>();
  for (const words of records) {
    const partition = partitionAt(words, 0);
    const n = env.replicasOf(bucketAt(words, 0));
    const owners = preference.subarray(partition * preferenceLength, partition * preferenceLength + n);
    if (n < 2 || !owners.includes(env.ordinal)) continue;
    const hash = words[W_KEY_HASH]!;
    for (const [level, index] of [0, hash >>> 26, hash >>> 20].entries()) {
      const node = nodeOf(n, partition, level, index);
      hashes.set(node, (hashes.get(node) ?? 0n) ^ digestOf(words));
    }
  }
  return hashes;
}

/** Compares every node that has, or could have, something below it. */
export function differences(set: TreeSet, expected: ReadonlyMap<number, bigint>): number[] {
  const wrong: number[] = [];
  for (let n = 2; n <= 3; n++) {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const [level, width] of [1, 64, 4_096].entries()) {
        for (let index = 0; index < width; index++) {
          const node = nodeOf(n, partition, level, index);
          if (hashOfNode(set, node) !== (expected.get(node) ?? 0n)) wrong.push(node);
        }
      }
    }
  }
  return wrong;
}
