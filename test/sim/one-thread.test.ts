import { expect, it } from 'vitest';
import { asOneThread, dyingAfter, Stopped } from '../../src/sim/one-thread.js';

/** What each access returns and leaves. */
function accesses(): unknown[] {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const long = new BigInt64Array(words.buffer, 8, 1);
  const seen: unknown[] = [
    Atomics.store(words, 0, 7),
    Atomics.load(words, 0),
    Atomics.exchange(words, 0, -1),
    Atomics.add(words, 0, 0x7fffffff),
    Atomics.add(words, 0, 2),
    Atomics.compareExchange(words, 0, 5, 1),
    Atomics.compareExchange(words, 0, -0x80000000, 1),
    Atomics.store(long, 0, 5n),
    Atomics.compareExchange(long, 0, 5n, -6n),
    Atomics.load(long, 0),
    Atomics.notify(words, 0),
  ];
  return [...seen, ...words];
}

it('plain accesses do what those of Atomics do, and are gone after the run', () => {
  const real = { ...Object.getOwnPropertyDescriptors(Atomics) };
  const expected = accesses();
  expect(asOneThread(accesses)).toEqual(expected);
  expect(() =>
    asOneThread(() => {
      throw new RangeError('a run ends');
    }),
  ).toThrow('a run ends');
  expect({ ...Object.getOwnPropertyDescriptors(Atomics) }).toEqual(real);
});

it('a thread dies before the store that it was to die before, and no other does', () => {
  const words = new Int32Array(new SharedArrayBuffer(16));
  const fill = (): void => {
    for (let i = 0; i < 3; i++) Atomics.store(words, i, 1);
  };
  asOneThread(() => {
    expect(dyingAfter(5, fill)).toBe(2);
    words.fill(0);
    expect(() => dyingAfter(2, fill)).toThrow(Stopped);
    expect([...words]).toEqual([1, 1, 0, 0]);
    fill();
  });
  expect([...words]).toEqual([1, 1, 1, 0]);
});
