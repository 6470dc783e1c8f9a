import { expect, test } from 'vitest';
import { Random } from '../../bench/measure/random.js';
import { Workload } from '../../bench/measure/workload.js';
import { fnv1a64, fnv1a64Modulo, ScrambledZipfian, Zipfian, zeta } from '../../bench/measure/zipfian.js';

test('zeta of ten billion items and constant 0.99 is the number that YCSB ships', () => {
  expect(zeta(10_000_000_000)).toBeCloseTo(26.46902820178302, 8);
});

test('zeta is the plain sum where a plain sum is feasible', () => {
  let sum = 0;
  for (let i = 1; i <= 200_000; i++) sum += i ** -0.99;
  expect(zeta(200_000)).toBeCloseTo(sum, 9);
  expect(zeta(2)).toBe(1 + 2 ** -0.99);
});

function fnvByBigInt(value: bigint): bigint {
  let hash = 0xcbf29ce484222325n;
  for (let i = 0n; i < 8n; i++) {
    hash ^= (value >> (8n * i)) & 0xffn;
    hash = BigInt.asUintN(64, hash * 1_099_511_628_211n);
  }
  return hash;
}

test('FNV in halves equals FNV in 64 bits, and its remainder that of the signed number without its sign', () => {
  const random = new Random(1);
  for (const value of [
    0,
    1,
    255,
    256,
    9_999_999_999,
    ...Array.from({ length: 500 }, () => random.below(1e10)),
  ]) {
    const whole = fnvByBigInt(BigInt(value));
    const [high, low] = fnv1a64(value);
    expect((BigInt(high) << 32n) | BigInt(low)).toBe(whole);
    const signed = BigInt.asIntN(64, whole);
    expect(fnv1a64Modulo(value, 99_991)).toBe(Number((signed < 0n ? -signed : signed) % 99_991n));
  }
});

test('ranks are as popular as 1/rank^0.99 over zeta says', () => {
  const items = 1_000;
  const zipfian = new Zipfian(new Random(7), items);
  const counts = new Uint32Array(items);
  const draws = 200_000;
  for (let i = 0; i < draws; i++) counts[zipfian.next()]! += 1;
  for (const rank of [0, 1]) {
    expect(counts[rank]! / draws).toBeCloseTo((rank + 1) ** -0.99 / zeta(items), 2);
  }
  // The method is exact for two ranks and an approximation for the rest: judged by tenths of all items.
  const top = counts.subarray(0, items / 10).reduce((sum, count) => sum + count, 0) / draws;
  expect(top).toBeCloseTo(zeta(items / 10) / zeta(items), 1);
});

test('scrambled keys are as skewed, but not neighbours', () => {
  const items = 100_000;
  const zipfian = new ScrambledZipfian(new Random(3), items);
  const counts = new Map<number, number>();
  for (let i = 0; i < 50_000; i++) {
    const key = zipfian.next();
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const [first, second] = [...counts].sort((a, b) => b[1] - a[1]);
  expect(first![1] / 50_000).toBeCloseTo(1 / 26.469, 2);
  expect(Math.abs(first![0] - second![0])).toBeGreaterThan(10);
  expect(Math.max(...counts.keys())).toBeLessThan(items);
});

test('with `latest` the record that was announced last is the most popular', () => {
  const workload = new Workload({ keys: 1_000, valueBytes: 1, seed: 5, distribution: 'latest' });
  const added = workload.newKey();
  expect(workload.newKey()).not.toBe(added);
  const drawn = (): number =>
    Array.from({ length: 1_000 }, () => workload.key()).filter((key) => key === added).length;
  expect(drawn()).toBe(0);
  workload.announce(added);
  expect(drawn()).toBeGreaterThan(60);
});
